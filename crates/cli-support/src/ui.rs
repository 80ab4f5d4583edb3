use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstream::AutoStream;
use clap::builder::styling::{AnsiColor, Style};
use oar_core::clock::Clock;
use oar_core::failures::Failures;
use oar_core::flow::log::Level;
use oar_core::redact::Redactor;
use serde::Serialize;
use serde_json::Value;

use crate::progress::Progress;
use crate::{CliError, ExitCode, visible};

/// The format of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutputFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// The style of text on a terminal. Elsewhere, and with `NO_COLOR`, text is plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextStyle {
    /// Success.
    Good,
    /// Failure.
    Bad,
    /// Waiting, or needs attention.
    Attention,
    /// Less important.
    Faint,
    /// More important.
    Strong,
}

impl TextStyle {
    pub(crate) const ALL: [Self; 5] = [Self::Good, Self::Bad, Self::Attention, Self::Faint, Self::Strong];

    pub(crate) const fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Attention => AnsiColor::Yellow.on_default(),
            Self::Faint => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }

    /// `text` in this style. The [`Ui`] writes it with colours where they are allowed;
    /// [`plain`](crate::plain) removes the style.
    pub fn paint(self, text: impl std::fmt::Display) -> String {
        visible::marked(self, text)
    }
}

/// The object through which a command line writes: results to standard output, the rest to standard error.
///
/// Text for people never contains a control character or a bidirectional override from an outside text.
#[derive(Clone)]
pub struct Ui {
    format: OutputFormat,
    redactor: Redactor,
    /// The clock for lines on standard error, if these are JSON objects.
    json_lines: Option<Clock>,
    streams: Arc<Mutex<Streams>>,
}

struct Streams {
    out: Box<dyn Write + Send>,
    /// Whether standard output is a terminal.
    out_is_terminal: bool,
    err: Box<dyn Write + Send>,
    /// The progress line; `None` without a terminal.
    progress: Option<Progress>,
    /// Whether these are the process's own streams: only there can a person be asked.
    own: bool,
    /// Why a result could not be written to standard output.
    lost: Option<String>,
}

impl Ui {
    /// A user interface on the process's own streams.
    pub fn new(format: OutputFormat, redactor: Redactor) -> Self {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let (out_is_terminal, progress) = (out.is_terminal(), Progress::of_terminal());
        let ui = Self::on(format, redactor, AutoStream::auto(out), AutoStream::auto(err));
        {
            let mut streams = ui.streams();
            streams.out_is_terminal = out_is_terminal;
            streams.own = true;
            streams.progress = progress;
        }
        ui
    }

    /// A user interface on other streams.
    pub fn on(
        format: OutputFormat,
        redactor: Redactor,
        out: impl Write + Send + 'static,
        err: impl Write + Send + 'static,
    ) -> Self {
        let streams = Streams {
            out: Box::new(out),
            out_is_terminal: false,
            err: Box::new(err),
            progress: None,
            own: false,
            lost: None,
        };
        Self { format, redactor, json_lines: None, streams: Arc::new(Mutex::new(streams)) }
    }

    /// The same, with one JSON object per line on standard error, with times from `clock`.
    #[must_use]
    pub fn with_json_lines(mut self, clock: Clock) -> Self {
        self.json_lines = Some(clock);
        self.streams().progress = None;
        self
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether standard output is JSON.
    pub fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Whether a person can be asked on this terminal.
    pub fn is_interactive(&self) -> bool {
        self.streams().own && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Writes a result for people; nothing when the output is JSON.
    pub fn text(&self, text: impl AsRef<str>) {
        if !self.is_json() {
            self.write(false, &visible::visible(text.as_ref()));
        }
    }

    /// Writes a result in place of what a terminal shows; elsewhere `news`, unless that is empty.
    pub fn redraw(&self, text: impl AsRef<str>, news: &str) {
        if !self.streams().out_is_terminal {
            if !news.is_empty() {
                self.text(news);
            }
            return;
        }
        self.clear_progress();
        // The cursor to the first place, the screen empty.
        self.write_exactly(false, "\x1b[H\x1b[2J", "");
        self.text(text);
    }

    /// Writes a result unchanged, in either format: a configuration value, a decrypted document. Only on a
    /// terminal, control characters are escaped.
    pub fn raw(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if self.streams().out_is_terminal {
            self.write_exactly(false, &visible::visible(text), "");
        } else {
            self.write_exactly(false, text, "");
        }
    }

    /// Writes the JSON document; nothing when the output is for people.
    pub fn json(&self, value: &impl Serialize) {
        if self.is_json() {
            let text = serde_json::to_string_pretty(value)
                .unwrap_or_else(|error| format!("{{\"error\": {{\"message\": \"no JSON: {error}\"}}}}"));
            self.write(false, &visible::json(&text));
        }
    }

    /// Shows the user something that is not the result.
    pub fn note(&self, text: impl AsRef<str>) {
        self.tell(Level::Info, "", text.as_ref());
    }

    /// Asks the user a question; the answer is typed on the same line.
    pub(crate) fn ask(&self, question: impl AsRef<str>) {
        let text = self.redactor.redact(question.as_ref()).into_owned();
        self.write_exactly(true, &visible::visible(&text), "");
    }

    /// Shows the user a warning.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.tell(Level::Warning, &TextStyle::Attention.paint("warning:"), text.as_ref());
    }

    /// Shows the user a problem with one of several items; the others continued.
    pub fn problem(&self, text: impl AsRef<str>) {
        self.tell(Level::Error, &TextStyle::Bad.paint("error:"), text.as_ref());
    }

    fn tell(&self, level: Level, label: &str, text: &str) {
        let text = self.redactor.redact(text);
        if self.json_lines.is_some() {
            self.json_line(level, &text, serde_json::Map::new());
        } else {
            let space = if label.is_empty() { "" } else { " " };
            self.write(true, &visible::visible(&format!("{label}{space}{text}")));
        }
    }

    /// Shows an error, and writes it as JSON too with JSON output. Returns its exit code.
    pub fn fail(&self, error: &CliError) -> ExitCode {
        self.explain(error);
        self.error_document(error);
        error.code
    }

    /// Writes an error as the JSON document; nothing when the output is for people.
    pub(crate) fn error_document(&self, error: &CliError) {
        if self.is_json() {
            let error = self.redacted(error);
            self.json(&serde_json::json!({ "error": error, "exit_code": error.code.number() }));
        }
    }

    fn redacted(&self, error: &CliError) -> CliError {
        let redact = |text: &String| visible::plain(&self.redactor.redact(text));
        CliError {
            code: error.code,
            message: redact(&error.message),
            causes: error.causes.iter().map(redact).collect(),
            hint: error.hint.as_ref().map(redact),
        }
    }

    /// Shows an error to the user only; programs get it in the command's own JSON document.
    pub fn explain(&self, error: &CliError) {
        if self.json_lines.is_some() {
            let error = self.redacted(error);
            let mut fields = serde_json::Map::new();
            if !error.causes.is_empty() {
                fields.insert("causes".to_owned(), error.causes.into());
            }
            fields.extend(error.hint.map(|hint| ("next".to_owned(), hint.into())));
            fields.insert("exit_code".to_owned(), error.code.number().into());
            self.json_line(Level::Error, &error.message, fields);
            return;
        }
        let mut text = error.message.clone();
        for cause in &error.causes {
            text.push_str("\n  because: ");
            text.push_str(cause);
        }
        if let Some(hint) = &error.hint {
            text.push_str("\n  ");
            text.push_str(&TextStyle::Strong.paint("next:"));
            text.push(' ');
            text.push_str(hint);
        }
        self.problem(text);
    }

    /// Shows several errors to the user only. The exit code is that of the gravest (docs/exit-codes.md).
    pub fn explain_all(&self, errors: impl IntoIterator<Item = CliError>) -> ExitCode {
        ExitCode::of_all(errors.into_iter().map(|error| {
            self.explain(&error);
            error.code
        }))
    }

    /// Shows the failures of a run with several parts to the user only, each with its next step; `about` begins each.
    pub fn explain_failures(&self, about: &str, failures: &Failures) {
        for (text, class, hint) in failures.iter() {
            let hint = hint.map(str::to_owned);
            self.explain(&CliError { hint, ..CliError::new(class, format!("{about}{text}")) });
        }
    }

    /// Writes one object to standard error; `text` and `fields` are redacted already.
    pub(crate) fn json_line(&self, level: Level, text: &str, fields: serde_json::Map<String, Value>) {
        let mut object = serde_json::Map::new();
        if let Some(clock) = &self.json_lines {
            object.insert("time".to_owned(), clock.stamp().into());
        }
        object.insert("level".to_owned(), level.to_string().into());
        object.insert("message".to_owned(), visible::plain(text).into());
        object.extend(fields);
        self.write(true, &visible::json(&Value::Object(object).to_string()));
    }

    /// Writes one log line, already redacted, to standard error.
    pub(crate) fn log(&self, line: &str) {
        self.write(true, &visible::visible(line));
    }

    /// Whether progress is shown in one line instead of a log.
    pub(crate) fn shows_progress(&self) -> bool {
        self.streams().progress.is_some()
    }

    /// Shows the log instead of a progress line from now on.
    pub(crate) fn without_progress(&self) {
        self.streams().progress = None;
    }

    /// Shows `text` in the progress line; an empty text removes the line.
    pub fn progress(&self, text: &str) {
        let text = visible::plain(&self.redactor.redact(text));
        let Streams { progress, err, .. } = &mut *self.streams();
        if let Some(progress) = progress {
            progress.say(&text, err);
        }
    }

    /// Removes the progress line, for another program that uses the terminal.
    pub fn clear_progress(&self) {
        let Streams { progress, err, .. } = &mut *self.streams();
        if let Some(progress) = progress {
            progress.clear(err);
        }
    }

    /// [`Ui::clear_progress`], unless standard error is blocked.
    pub(crate) fn try_clear_progress(&self) {
        if let Ok(mut streams) = self.streams.try_lock() {
            let Streams { progress, err, .. } = &mut *streams;
            if let Some(progress) = progress {
                progress.clear(err);
            }
        }
    }

    /// Updates the progress line, unless another thread is writing.
    pub(crate) fn tick(&self) {
        if let Ok(mut streams) = self.streams.try_lock() {
            let Streams { progress, err, .. } = &mut *streams;
            if let Some(progress) = progress {
                progress.tick(err);
            }
        }
    }

    /// Shows a warning, unless standard error is blocked: for a process that is about to end.
    pub(crate) fn try_warn(&self, text: &str) {
        if self.streams.try_lock().is_ok() {
            self.warn(text);
        }
    }

    fn write(&self, to_err: bool, text: &str) {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.write_exactly(to_err, text, end);
    }

    fn write_exactly(&self, to_err: bool, text: &str, end: &str) {
        let mut streams = self.streams();
        let Streams { out, err, progress, lost, .. } = &mut *streams;
        if let Some(progress) = progress {
            progress.clear(err);
        }
        let stream: &mut dyn Write = if to_err { err } else { out };
        let written = write!(stream, "{text}{end}").and_then(|()| stream.flush());
        // A reader that ended (`oar … | head -1`) is not an error.
        if let Err(error) = written
            && !to_err
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            *lost = Some(error.to_string());
        }
    }

    /// [`Ui::settle`] after other code wrote to standard output.
    pub fn settled(&self, code: ExitCode, written: std::io::Result<()>) -> ExitCode {
        if let Err(error) = written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.streams().lost = Some(error.to_string());
        }
        self.settle(code)
    }

    /// Whether standard error has one JSON object per line.
    pub(crate) fn writes_json_lines(&self) -> bool {
        self.json_lines.is_some()
    }

    /// Whether a text for people has neither secrets nor terminal control characters.
    pub(crate) fn is_written_as_it_is(&self, text: &str) -> bool {
        self.redactor.redact(text) == text && visible::plain(text) == text
    }

    /// Reports that a result could not be written to standard output (a full disk). The reader does not have
    /// the result then, so the exit code is neither success nor a finding.
    pub fn settle(&self, code: ExitCode) -> ExitCode {
        self.clear_progress();
        let lost = self.streams().lost.take();
        let Some(reason) = lost else { return code };
        self.explain(
            &CliError::new(
                oar_core::error::ErrorClass::Unavailable,
                format!("the result could not be written to standard output: {reason}"),
            )
            .with_hint("Make room, or write to another place, and run the command again."),
        );
        if matches!(code, ExitCode::Done | ExitCode::Failed) { ExitCode::Unavailable } else { code }
    }
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ui").field("format", &self.format).finish_non_exhaustive()
    }
}
