//! A sandbox with the program `oar-sandbox` itself as a replacement for programs that commands start.

use std::{env, fs, io, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use super::SANDBOX;
use crate::sandbox::Sandbox;

/// A running sandbox and its programs.
#[derive(Debug)]
pub(super) struct Running {
    /// The services.
    pub(super) sandbox: Sandbox,
    programs: TempDir,
}

impl Running {
    /// Adds the programs to `sandbox`.
    pub(super) fn new(sandbox: Sandbox) -> io::Result<Self> {
        let programs = tempfile::Builder::new().prefix("oar-sandbox-programs-").tempdir()?;
        let elliott = format!(
            "#!/bin/sh\nexec {} elliott --sandbox {} -- \"$@\"\n",
            quoted(&env::current_exe()?.display().to_string()),
            quoted(sandbox.base_url())
        );
        write_program(&programs.path().join("elliott"), &elliott)?;
        Ok(Self { sandbox, programs })
    }

    /// The environment variables for a command.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.sandbox.environment();
        let elliott = self.programs.path().join("elliott").display().to_string();
        environment.push(("OAR_ELLIOTT".to_owned(), elliott));
        environment.push((SANDBOX.to_owned(), self.sandbox.base_url().to_owned()));
        environment
    }
}

fn write_program(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// Quotes a value for a shell.
pub(super) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_survive_a_shell() {
        assert_eq!(super::quoted("a b"), "'a b'");
        assert_eq!(super::quoted("it's"), r"'it'\''s'");
    }
}
