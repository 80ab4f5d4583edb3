use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anstream::AutoStream;
use clap::builder::styling::{AnsiColor, Style};
use oar_core::redact::Redactor;
use serde::Serialize;

use crate::{CliError, ExitCode};

/// The form of what goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// How a piece of text looks on a terminal. Elsewhere, and with `NO_COLOR`, it is plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done, well.
    Good,
    /// Failed.
    Bad,
    /// Waits, or wants a look.
    Attention,
    /// Less important.
    Faint,
    /// More important.
    Strong,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Attention => AnsiColor::Yellow.on_default(),
            Self::Faint => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }

    /// `text` in this tone; the escape codes are removed again where they do not belong.
    pub fn paint(self, text: impl std::fmt::Display) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

/// The one object through which a command line speaks: results to standard output, the rest to standard error.
#[derive(Clone)]
pub struct Ui {
    format: OutputFormat,
    redactor: Redactor,
    streams: Arc<Mutex<Streams>>,
}

struct Streams {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Why a result did not reach standard output.
    lost: Option<String>,
}

impl Ui {
    /// A user interface on the process's own streams.
    pub fn new(format: OutputFormat, redactor: Redactor) -> Self {
        Self::on(format, redactor, AutoStream::auto(std::io::stdout()), AutoStream::auto(std::io::stderr()))
    }

    /// A user interface on other streams.
    pub fn on(
        format: OutputFormat,
        redactor: Redactor,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> Self {
        let streams = Streams { out: Box::new(out), err: Box::new(err), lost: None };
        Self { format, redactor, streams: Arc::new(Mutex::new(streams)) }
    }

    /// Whether standard output carries JSON.
    pub fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Whether a person can be asked on this terminal.
    pub fn is_interactive(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Writes a result for people; nothing when the output is JSON.
    pub fn text(&self, text: impl AsRef<str>) {
        if !self.is_json() {
            self.write(false, text.as_ref());
        }
    }

    /// Writes a result exactly as it is, in either form: a configuration value, a decrypted document.
    pub fn raw(&self, text: impl AsRef<str>) {
        self.write_exactly(false, text.as_ref(), "");
    }

    /// Writes the JSON document; nothing when the output is for people.
    pub fn json(&self, value: &impl Serialize) {
        if self.is_json() {
            let text = serde_json::to_string_pretty(value)
                .unwrap_or_else(|error| format!("{{\"error\": {{\"message\": \"no JSON: {error}\"}}}}"));
            self.write(false, &text);
        }
    }

    /// Tells the person something that is not the result.
    pub fn note(&self, text: impl AsRef<str>) {
        let text = self.redactor.redact(text.as_ref()).into_owned();
        self.write(true, &text);
    }

    /// Puts a question to the person, whose answer is typed on the same line.
    pub(crate) fn ask(&self, question: impl AsRef<str>) {
        let text = self.redactor.redact(question.as_ref()).into_owned();
        self.write_exactly(true, &text, "");
    }

    /// Warns the person.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.note(format!("{} {}", Tone::Attention.paint("warning:"), text.as_ref()));
    }

    /// Tells the person what went wrong with one item of many, while the others went on.
    pub fn problem(&self, text: impl AsRef<str>) {
        self.note(format!("{} {}", Tone::Bad.paint("error:"), text.as_ref()));
    }

    /// Shows an error, and as JSON too when standard output is read by a program. Returns its exit code.
    pub fn fail(&self, error: &CliError) -> ExitCode {
        self.explain(error);
        self.error_document(error);
        error.code
    }

    /// Writes an error as the JSON document; nothing when the output is for people.
    pub(crate) fn error_document(&self, error: &CliError) {
        if self.is_json() {
            let error = CliError {
                code: error.code,
                message: self.redactor.redact(&error.message).into_owned(),
                causes: error.causes.iter().map(|cause| self.redactor.redact(cause).into_owned()).collect(),
                hint: error.hint.as_ref().map(|hint| self.redactor.redact(hint).into_owned()),
            };
            self.json(&serde_json::json!({ "error": error, "exit_code": error.code.number() }));
        }
    }

    /// Shows an error to the person only; the command's own JSON document tells it to programs.
    pub fn explain(&self, error: &CliError) {
        let mut text = format!("{} {}", Tone::Bad.paint("error:"), error.message);
        for cause in &error.causes {
            text.push_str("\n  because: ");
            text.push_str(cause);
        }
        if let Some(hint) = &error.hint {
            text.push_str("\n  ");
            text.push_str(&Tone::Strong.paint("next:"));
            text.push(' ');
            text.push_str(hint);
        }
        self.note(text);
    }

    /// Writes one log line, already redacted, to standard error.
    pub fn log(&self, line: &str) {
        self.write(true, line);
    }

    fn write(&self, to_err: bool, text: &str) {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.write_exactly(to_err, text, end);
    }

    fn write_exactly(&self, to_err: bool, text: &str, end: &str) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let stream: &mut dyn Write = if to_err { &mut streams.err } else { &mut streams.out };
        let written = write!(stream, "{text}{end}").and_then(|()| stream.flush());
        // A reader that went away (`oar … | head -1`) is no error of ours, and there is nobody left to tell.
        if let Err(error) = written
            && !to_err
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            streams.lost = Some(error.to_string());
        }
    }

    /// Says that a result did not reach standard output (a full disk), and makes a success a failure.
    pub(crate) fn settle(&self, code: ExitCode) -> ExitCode {
        let lost = self.streams.lock().unwrap_or_else(PoisonError::into_inner).lost.take();
        let Some(reason) = lost else { return code };
        self.warn(format!("the result could not be written to standard output: {reason}"));
        if code == ExitCode::Done { ExitCode::Failed } else { code }
    }
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ui").field("format", &self.format).finish_non_exhaustive()
    }
}
