//! `oar-sandbox start` and `stop`: a sandbox in the background.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{BACKGROUND, Failure, SANDBOX, remote, say, say_when_without_document};

/// How long a sandbox may take to start, and to end.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// The most that is shown of the log of a sandbox that did not start, in bytes.
const LOG_EXCERPT: u64 = 4096;

/// Makes the shell that evaluates the output of `start` fail: `eval` of nothing would succeed, and the
/// following commands would use the real services.
pub(super) fn fail_the_shell() {
    if env::args_os().nth(1).is_some_and(|command| command == "start") {
        let mut out = io::stdout().lock();
        // Output that cannot be written is not evaluated.
        let _ = out.write_all(b"false\n").and_then(|()| out.flush());
    }
}

/// Starts a sandbox in a separate process and prints its environment when it is ready.
pub(super) fn start() -> Result<ExitCode, Failure> {
    // The options are those of `serve`.
    let options: Vec<OsString> = env::args_os().skip(2).collect();
    let program = env::current_exe()?;
    let (log, path) = tempfile::Builder::new()
        .prefix("oar-sandbox-")
        .suffix(".log")
        .tempfile()?
        .keep()
        .map_err(|error| error.error)?;
    let mut child = Command::new(&program)
        .arg("serve")
        .args(options)
        .arg(BACKGROUND)
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|source| Failure::Spawn { program: program.display().to_string(), source })?;
    let Some(environment) = child.stdout.take().and_then(environment_of) else {
        let why = ended(&mut child, &path);
        let _ = fs::remove_file(&path);
        return Err(Failure::NotStarted(why));
    };
    let printed = {
        let mut out = io::stdout().lock();
        out.write_all(environment.as_bytes()).and_then(|()| out.flush())
    };
    if let Err(error) = printed {
        // Without the output nobody could use it.
        let _ = child.kill();
        let _ = fs::remove_file(&path);
        return Err(error.into());
    }
    say_when_without_document(&environment);
    say(&format!(
        "oar-sandbox: process {} serves in the background until `oar-sandbox stop`; its log: {}",
        child.id(),
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// The lines of the environment; `None` when the sandbox ended before it served, or takes too long.
fn environment_of(out: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            text.push_str(&line);
            text.push('\n');
            // This line is the last one.
            if line.starts_with(&format!("export {SANDBOX}=")) {
                // Fails when the receiver has given up.
                let _ = sender.send(text);
                return;
            }
        }
    });
    receiver.recv_timeout(START_TIMEOUT).ok()
}

/// The message of a sandbox that did not start.
fn ended(child: &mut Child, log: &std::path::Path) -> String {
    // A hanging one is stopped.
    let _ = child.kill();
    let _ = child.wait();
    let mut said = String::new();
    if let Ok(file) = File::open(log) {
        let _ = file.take(LOG_EXCERPT).read_to_string(&mut said);
    }
    let said = said.trim().trim_start_matches("oar-sandbox: ");
    if said.is_empty() {
        format!("it did not serve within {} s", START_TIMEOUT.as_secs())
    } else {
        said.to_owned()
    }
}

/// Stops the sandbox of this environment, and lists requests that no service supports. It is no error if the
/// sandbox has ended already.
pub(super) fn stop() -> Result<ExitCode, Failure> {
    let sandbox = remote::address(None)?;
    let unexpected: Vec<Value> = match remote::get(&sandbox, "unexpected") {
        Err(Failure::NotRunning(_)) => {
            say(&format!("oar-sandbox: no sandbox runs at {sandbox}; nothing to stop"));
            return Ok(ExitCode::SUCCESS);
        }
        answer => answer?,
    };
    let _: Value = remote::post(&sandbox, "stop", &json!({}))?;
    let started = Instant::now();
    while remote::get::<Value>(&sandbox, "clock").is_ok() {
        if started.elapsed() > START_TIMEOUT {
            return Err(Failure::Refused(format!("the sandbox at {sandbox} does not stop")));
        }
        thread::sleep(POLL);
    }
    for request in &unexpected {
        let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
        say(&format!(
            "oar-sandbox: not simulated: {} {} {}: {}",
            text("method"),
            text("service"),
            text("path"),
            text("reason")
        ));
    }
    say("oar-sandbox: stopped");
    Ok(ExitCode::SUCCESS)
}
