//! Commands for a running sandbox: `play`, `advance`, and the simulated elliott.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Failure, SANDBOX};
use crate::{
    elliott::{Call, Ended},
    scenario::parties::Action,
};

/// The address of the running sandbox: the given one, otherwise that in the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox stands alone: nothing of it is a setting of the library"
)]
pub(super) fn address(named: Option<&str>) -> Result<String, Failure> {
    named.map(str::to_owned).or_else(|| env::var(SANDBOX).ok()).ok_or(Failure::NoSandbox)
}

/// Reads from the control interface; the error has its message.
pub(super) fn get<T: DeserializeOwned>(sandbox: &str, path: &str) -> Result<T, Failure> {
    send(sandbox, path, None)
}

/// Posts to the control interface; the error has its message.
pub(super) fn post<T: DeserializeOwned>(sandbox: &str, path: &str, body: &Value) -> Result<T, Failure> {
    send(sandbox, path, Some(body))
}

fn send<T: DeserializeOwned>(sandbox: &str, path: &str, body: Option<&Value>) -> Result<T, Failure> {
    let gone = |error: &dyn std::fmt::Display| Failure::Gone(sandbox.to_owned(), error.to_string());
    let failed = |error: reqwest::Error| {
        if error.is_connect() { Failure::NotRunning(sandbox.to_owned()) } else { gone(&error) }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, text) = runtime
        .block_on(async {
            // Without the environment's proxy, because the sandbox is on this machine.
            let client = reqwest::Client::builder().no_proxy().build()?;
            let address = format!("{sandbox}/_sandbox/{path}");
            let request = match body {
                Some(body) => {
                    client.post(address).header("content-type", "application/json").body(body.to_string())
                }
                None => client.get(address),
            };
            let answer = request.send().await?;
            Ok::<_, reqwest::Error>((answer.status(), answer.text().await?))
        })
        .map_err(failed)?;
    if status.is_success() {
        return serde_json::from_str(&text).map_err(|error| gone(&error));
    }
    let refusal: Value = serde_json::from_str(&text).unwrap_or_default();
    Err(Failure::Refused(refusal["message"].as_str().unwrap_or(&text).to_owned()))
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Simulates an action of another party; without an action, lists all.
pub(super) fn play(release: Option<&str>, action: Option<&str>) -> Result<ExitCode, Failure> {
    let (Some(release), Some(action)) = (release, action) else {
        for action in Action::ALL {
            print(&format!("{:<25} {}\n", action.name(), action.about()))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let answer: Value = post(&address(None)?, "actions", &json!({"release": release, "action": action}))?;
    print(&format!("{}\n", answer["done"].as_str().unwrap_or_default()))?;
    Ok(ExitCode::SUCCESS)
}

/// Moves the clock.
pub(super) fn advance(by: SignedDuration) -> Result<ExitCode, Failure> {
    let answer: Value = post(&address(None)?, "clock", &json!({"advance_seconds": by.as_secs()}))?;
    print(&format!("in the sandbox it is {}\n", answer["now"].as_str().unwrap_or_default()))?;
    Ok(ExitCode::SUCCESS)
}

/// Answers as elliott does.
#[expect(clippy::disallowed_methods, reason = "it stands in for another program, which reads them itself")]
pub(super) fn elliott(sandbox: Option<&str>, arguments: &[String]) -> Result<ExitCode, Failure> {
    let call = Call {
        arguments: arguments.to_vec(),
        email: env::var("JIRA_EMAIL").ok(),
        token: env::var("JIRA_TOKEN").ok(),
    };
    let ended: Ended = post(&address(sandbox)?, "elliott", &json!(call))?;
    print(&ended.out)?;
    io::stderr().write_all(ended.err.as_bytes())?;
    Ok(ExitCode::from(ended.code))
}
