//! Asks credential helpers for logins: programs that other tools install (docker/docker-credential-helpers).
//!
//! The crate `docker_credential` runs them too, but cannot end one that hangs.

use std::ffi::OsString;
use std::fmt;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::logins::Login;
use crate::clients::program::{Group, all};

/// The most that a helper may answer, in bytes.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// The message of a helper that has no login for a registry (docker/docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The name of a user that says that the secret is an identity token.
const TOKEN: &str = "<token>";

/// The question to a helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Helper {
    /// The program; a name is looked up in `PATH`.
    pub(super) program: OsString,
    /// The registry, as the file with logins names it.
    pub(super) server: String,
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Helper {
    /// The helper of this name in a file with logins.
    pub(super) fn named(name: &str, server: &str) -> Self {
        Self { program: format!("docker-credential-{name}").into(), server: server.to_owned() }
    }

    /// The login that it has. It is killed, with all that it started, when nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// Why it could not be asked, in words without anything that it said, which may be secret.
    pub(super) async fn ask(&self) -> Result<Option<Login>, String> {
        let failed = |why: &dyn fmt::Display| {
            format!("the login for {} cannot be used: {} {why}", self.server, self.program.display())
        };
        let mut command = Command::new(&self.program);
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut group =
            Group::start(&mut command).map_err(|error| failed(&format!("cannot be started: {error}")))?;
        let (input, output) = (group.child.stdin.take(), group.child.stdout.take());
        let tell = async {
            if let Some(mut input) = input {
                // One that reads nothing may know without it.
                let _ = input.write_all(self.server.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(tell, all(output, OUTPUT_LIMIT));
        let status = group.child.wait().await;
        group.has_ended();
        let (Ok(Some(output)), Ok(status)) = (output, status) else {
            return Err(failed(&"gave no answer that can be read"));
        };
        if !status.success() {
            let is_absent = String::from_utf8_lossy(&output).trim() == NOT_FOUND;
            return if is_absent { Ok(None) } else { Err(failed(&"failed")) };
        }
        let Answer { username, secret } =
            serde_json::from_slice(&output).map_err(|_| failed(&"gave an answer that is no login"))?;
        Ok(Some(if username == TOKEN {
            Login::Identity(secret.into())
        } else {
            Login::Password { user: username, password: secret.into() }
        }))
    }
}
