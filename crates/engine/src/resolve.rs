//! From a connector's type to the program that is one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use protocol::is_connector_type;

/// What a connector is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It reads.
    Source,
    /// It writes.
    Destination,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
        })
    }
}

/// A program that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it is called in words for people, such as `source-stripe`.
    pub name: String,
    /// The file to execute.
    pub path: PathBuf,
    /// Arguments before the verb.
    pub args: Vec<OsString>,
}

/// Where programs are looked for.
#[derive(Debug, Clone, Default)]
pub struct Resolver {
    /// The folder of the running program.
    pub beside: Option<PathBuf>,
    /// The folders of `PATH`.
    pub path: Vec<PathBuf>,
    /// Command lines that replace the search.
    pub overrides: BTreeMap<(Role, String), String>,
}

/// Why there is no program for a connector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// A type with other characters than a-z, 0-9, `_` and `-`.
    #[error("`{0}` is no connector type; it is made of a-z, 0-9, `_` and `-`")]
    BadType(String),
    /// Nothing of that name is there.
    #[error(
        "no program `{name}`; looked in {looked}; put it there, or name it with `--connector {role}.{kind}='COMMAND'`"
    )]
    NotFound {
        /// The program's file name.
        name: String,
        /// Where it was looked for.
        looked: String,
        /// The connector's role.
        role: Role,
        /// The connector's type.
        kind: String,
    },
    /// A file is there that may not be executed.
    #[error("`{}` is not executable; run `chmod +x` on it", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The command line of an override cannot be split into words.
    #[error("`--connector {role}.{kind}` is no command line: `{command}`; check its quotes")]
    BadCommand {
        /// The connector's role.
        role: Role,
        /// The connector's type.
        kind: String,
        /// The command as given.
        command: String,
    },
}

impl Resolver {
    /// The program of a connector: the override, else the first one beside this program or in
    /// `PATH`.
    ///
    /// # Errors
    ///
    /// See [`ResolveError`].
    pub fn resolve(&self, role: Role, kind: &str) -> Result<Program, ResolveError> {
        if !is_connector_type(kind) {
            return Err(ResolveError::BadType(kind.to_owned()));
        }
        match self.overrides.get(&(role, kind.to_owned())) {
            Some(command) => self.overridden(role, kind, command),
            None => self.found(role, kind),
        }
    }

    /// A program beside this one or in `PATH`, by its file name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        self.folders().map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    /// Every connector beside this program and in `PATH`, the one that would be used, by name.
    #[must_use]
    pub fn connectors(&self) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        let entries = self.folders().filter_map(|folder| std::fs::read_dir(folder).ok());
        for entry in entries.flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = name.strip_prefix("source-").or_else(|| name.strip_prefix("destination-"));
            if kind.is_some_and(is_connector_type) && is_executable(&entry.path()) {
                found.entry(name).or_insert_with(|| entry.path());
            }
        }
        found
    }

    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.beside.iter().chain(&self.path)
    }

    fn looked(&self) -> String {
        let shown = |folders: &[PathBuf]| {
            let folders: Vec<String> =
                folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
            folders.join(", ")
        };
        let beside = self.beside.as_ref().map(|folder| format!("`{}` and ", folder.display()));
        format!("{}PATH ({})", beside.unwrap_or_default(), shown(&self.path))
    }

    fn found(&self, role: Role, kind: &str) -> Result<Program, ResolveError> {
        let name = format!("{role}-{}", file_type(kind));
        let Some(path) = self.find(&name) else {
            return Err(ResolveError::NotFound {
                name,
                looked: self.looked(),
                role,
                kind: kind.to_owned(),
            });
        };
        startable(Program { name, path, args: Vec::new() })
    }

    fn overridden(&self, role: Role, kind: &str, command: &str) -> Result<Program, ResolveError> {
        let bad = || ResolveError::BadCommand {
            role,
            kind: kind.to_owned(),
            command: protocol::secret::mask(command),
        };
        let mut words = shlex::split(command).ok_or_else(bad)?.into_iter();
        let program = words.next().ok_or_else(bad)?;
        let path = if program.contains('/') {
            PathBuf::from(&program)
        } else {
            self.find(&program).ok_or_else(|| ResolveError::NotFound {
                name: program.clone(),
                looked: self.looked(),
                role,
                kind: kind.to_owned(),
            })?
        };
        let name = format!("{role}-{}", file_type(kind));
        startable(Program { name, path, args: words.map(OsString::from).collect() })
    }
}

/// The type as it stands in a program's name.
fn file_type(kind: &str) -> &str {
    if kind == "google_sheets" { "sheets" } else { kind }
}

fn startable(program: Program) -> Result<Program, ResolveError> {
    if program.path.is_file() && !is_executable(&program.path) {
        return Err(ResolveError::NotExecutable { path: program.path });
    }
    Ok(program)
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("source-plain"), "").unwrap();
        folder
    }

    #[test]
    fn a_missing_program_is_named_with_where_it_was_looked_for() {
        let folder = folder();
        let resolver = Resolver { beside: Some(folder.path().to_owned()), ..Resolver::default() };
        let error = resolver.resolve(Role::Source, "stripe").unwrap_err().to_string();
        assert!(error.contains("no program `source-stripe`"), "{error}");
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        assert!(error.contains("--connector source.stripe="), "{error}");
    }

    #[test]
    fn a_file_without_the_executable_bit_is_no_program() {
        let folder = folder();
        let resolver = Resolver { path: vec![folder.path().to_owned()], ..Resolver::default() };
        let error = resolver.resolve(Role::Source, "plain").unwrap_err().to_string();
        assert!(error.ends_with("is not executable; run `chmod +x` on it"), "{error}");
        assert!(resolver.connectors().is_empty());
    }

    #[test]
    fn a_type_cannot_leave_its_folder() {
        for kind in ["../evil", "", "Stripe", "a b", "-x"] {
            let error = Resolver::default().resolve(Role::Source, kind).unwrap_err();
            assert!(matches!(error, ResolveError::BadType(_)), "{error}");
        }
    }

    #[test]
    fn an_override_is_a_command_line() {
        let command = r#"/bin/sh -c 'echo "a b"'"#.to_owned();
        let overrides =
            BTreeMap::from([((Role::Destination, "google_sheets".to_owned()), command)]);
        let resolver = Resolver { overrides, ..Resolver::default() };
        let program = resolver.resolve(Role::Destination, "google_sheets").unwrap();
        assert_eq!(program.name, "destination-sheets");
        assert_eq!(program.path, PathBuf::from("/bin/sh"));
        assert_eq!(program.args, ["-c", "echo \"a b\""]);
    }
}
