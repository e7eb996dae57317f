//! What a program says about itself on its command line.

/// Name, version and example of a connector.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The program's name, such as `source-stripe`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Commands that can be pasted, shown under `--help`.
    pub example: &'static str,
    /// Configuration keys that may come from the environment, each with the variables in the order
    /// in which they are looked at.
    pub environment: &'static [(&'static str, &'static [&'static str])],
}
