//! What the operating system tells a program: variables, its own place, the working folder's `.env`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The environment, read once.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    variables: BTreeMap<OsString, OsString>,
    dot_env: BTreeMap<String, String>,
}

/// An environment that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SurroundingsError {
    #[error("reading `.env`: {0}; correct it, or move it away")]
    DotEnv(dotenvy::Error),
}

/// Set by platforms for whatever program runs there, so it counts only from the real environment.
const NOT_FROM_DOT_ENV: &str = "DATABASE_URL";

impl Surroundings {
    /// Takes the variables and reads `.env`, which changes nobody's environment.
    pub(crate) fn read(
        variables: &BTreeMap<OsString, OsString>,
    ) -> Result<Self, SurroundingsError> {
        let mut dot_env = BTreeMap::new();
        match dotenvy::from_path_iter(".env") {
            Ok(pairs) => {
                for pair in pairs {
                    let (name, value) = pair.map_err(without_text)?;
                    dot_env.insert(name, value);
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => return Err(SurroundingsError::DotEnv(error)),
        }
        Ok(Self { variables: variables.clone(), dot_env })
    }

    /// A variable, from the environment or else from `.env`; an empty one counts as none.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let real = self.variables.get(OsStr::new(name)).and_then(|value| value.to_str());
        let filed = self.dot_env.get(name).filter(|_| name != NOT_FROM_DOT_ENV);
        let value = real.filter(|value| !value.is_empty()).or(filed.map(String::as_str))?;
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The same without some variables.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let keep = |name: &str| !names.contains(&name);
        let (mut variables, mut dot_env) = (self.variables.clone(), self.dot_env.clone());
        variables.retain(|name, _| name.to_str().is_none_or(keep));
        dot_env.retain(|name, _| keep(name));
        Self { variables, dot_env }
    }

    /// The folder of this program.
    pub(crate) fn beside(&self) -> Option<PathBuf> {
        let program = std::env::current_exe().ok()?;
        program.parent().map(PathBuf::from)
    }

    /// The folders of `PATH`.
    pub(crate) fn path(&self) -> Vec<PathBuf> {
        let path = self.variables.get(OsStr::new("PATH"));
        path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default()
    }

    /// The folder for state that its destination cannot keep, by the XDG rules.
    pub(crate) fn state_folder(&self) -> PathBuf {
        let home = || self.variable("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        let base = self.variable("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
        base.unwrap_or_else(|| PathBuf::from(".")).join("sync-engine")
    }
}

/// A line of `.env` that cannot be read may hold a secret; its text is not repeated.
fn without_text(error: dotenvy::Error) -> SurroundingsError {
    SurroundingsError::DotEnv(if let dotenvy::Error::LineParse(_, at) = error {
        dotenvy::Error::LineParse("…".to_owned(), at)
    } else {
        error
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_environment_wins_and_an_empty_variable_is_none() {
        let variables = [("A", "real"), ("B", ""), ("DATABASE_URL", "")];
        let variables = variables.map(|(name, value)| (name.into(), value.into())).into();
        let dot_env = [("A", "file"), ("B", "file"), ("DATABASE_URL", "file")];
        let dot_env = dot_env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let surroundings = Surroundings { variables, dot_env };
        assert_eq!(surroundings.variable("A").unwrap(), "real");
        assert_eq!(surroundings.variable("B").unwrap(), "file");
        assert_eq!(surroundings.variable("DATABASE_URL"), None);
    }
}
