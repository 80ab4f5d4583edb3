use std::fmt::Write as _;

use oar_core::clock::Clock;
use oar_core::config::LogFormat;
use oar_core::flow::log::{self, Level};
use oar_core::redact::Redactor;
use oar_core::targets;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::Ui;

/// Sends every log event of this process to standard error and to the task run that it belongs to.
///
/// Only the first call in a process has an effect.
pub(crate) fn init(ui: &Ui, redactor: &Redactor, clock: &Clock, format: LogFormat, debug: bool) {
    let shows_log = debug || format == LogFormat::Json || !ui.shows_progress();
    if shows_log {
        ui.without_progress();
    }
    let layer = LogLayer {
        shows_log,
        ui: ui.clone(),
        redactor: redactor.clone(),
        clock: clock.clone(),
        format,
        lowest: if debug { Level::Debug } else { Level::Info },
    };
    // A second program in the same process (a test, the MCP server) keeps the first one's log.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
}

struct LogLayer {
    /// Whether the log is shown. On a terminal, results, progress and warnings are shown instead.
    shows_log: bool,
    ui: Ui,
    redactor: Redactor,
    clock: Clock,
    format: LogFormat,
    lowest: Level,
}

/// The crates whose events are logged; of others only warnings are.
const OWN: [&str; 8] = ["oar_core", "cli_support", "agent", "oar", "oarctl", "job", "jobctl", "mcp_server"];

impl LogLayer {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let level = level_of(*metadata.level());
        let root = metadata.target().split("::").next().unwrap_or_default();
        if OWN.contains(&root) { level >= self.lowest } else { level >= Level::Warning }
    }
}

fn level_of(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG | tracing::Level::TRACE => Level::Debug,
    }
}

/// The command that is run for somebody, as its log lines name it.
struct CommandName(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        *metadata.level() != tracing::Level::TRACE && self.wants(metadata)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() != targets::COMMAND_SPAN {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let (Some(span), Some((_, name))) = (context.span(id), fields.others.into_iter().next()) {
            span.extensions_mut().insert(CommandName(name));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, target) = (level_of(*event.metadata().level()), event.metadata().target());
        if target == targets::WAITING_TARGET {
            self.ui.progress(&fields.message);
            return;
        }
        let now = self.clock.now();
        let mut message = self.redactor.redact(&fields.message).into_owned();
        for (name, value) in &fields.others {
            let _ = write!(message, " {name}={}", self.redactor.redact(value));
        }
        let mut line = log::line(now, level, &message);
        if target != targets::TRAFFIC_TARGET {
            log::record(level, &line);
        }
        let command = context.event_scope(event).and_then(|spans| {
            spans.into_iter().find_map(|span| Some(span.extensions().get::<CommandName>()?.0.clone()))
        });
        if let Some(command) = command {
            // Several run at the same time.
            line = log::line(now, level, &self.redactor.redact(&format!("{command}: {message}")));
            fields.others.push(("command", command));
        }
        let told_by_the_report = target == log::OUTCOME_TARGET && self.lowest > Level::Debug;
        match self.format {
            LogFormat::Json => {
                let others = fields.others.iter();
                let others =
                    others.map(|(name, value)| ((*name).to_owned(), self.redactor.redact(value).into()));
                self.ui.json_line(level, &self.redactor.redact(&fields.message), others.collect());
            }
            LogFormat::Text if told_by_the_report => {}
            LogFormat::Text if self.shows_log => self.ui.log(&line),
            LogFormat::Text => match level {
                // The report of the run has it too.
                Level::Error if log::is_in_a_run() => self.ui.progress(&fields.message),
                Level::Error => self.ui.problem(&fields.message),
                Level::Warning => self.ui.warn(&fields.message),
                Level::Info if target == targets::LASTING_TARGET => self.ui.note(&fields.message),
                // Markers are for other tools.
                Level::Info if fields.message.starts_with("task [") => {}
                Level::Info => self.ui.progress(&fields.message),
                Level::Debug => {}
            },
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else if !field.name().starts_with("log.") {
            self.others.push((field.name(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_the_programs_is_in_the_log() {
        let crates = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        let names = crates.map(|entry| entry.unwrap().file_name().into_string().unwrap().replace('-', "_"));
        // The sandbox is not part of the programs, and the crate that contains all of them logs nothing.
        for name in names.filter(|name| !["sandbox", "release_tests"].contains(&name.as_str())) {
            assert!(OWN.contains(&name.as_str()), "{name}");
        }
    }
}
