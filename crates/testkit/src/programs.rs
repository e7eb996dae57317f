//! Where the workspace's programs are on disk.

use std::path::PathBuf;

use crate::failure::{fail, loud};

/// The path of a built program or example of this workspace, looked for beside the test's own executable.
///
/// A program that is missing fails the test: a package's own tests build only its own program.
pub fn path(name: &str) -> PathBuf {
    let own = loud("finding the test's own executable", std::env::current_exe());
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .flat_map(|folder| [folder.join(&file), folder.join("examples").join(&file)])
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        fail(&format!(
            "the program `{name}` is not beside `{}`; build it first: \
             cargo build --workspace --bins --examples",
            own.display()
        ))
    })
}
