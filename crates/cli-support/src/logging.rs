use std::fmt::Write as _;

use oar_core::clock::Clock;
use oar_core::config::LogFormat;
use oar_core::flow::log::{self, Level};
use oar_core::redact::Redactor;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

use crate::Ui;

/// Sends every log event of this process to standard error and to the task run that it belongs to.
///
/// Only the first call in a process has an effect.
pub(crate) fn init(ui: &Ui, redactor: &Redactor, clock: &Clock, format: LogFormat, debug: bool) {
    let layer = LogLayer {
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
    ui: Ui,
    redactor: Redactor,
    clock: Clock,
    format: LogFormat,
    lowest: Level,
}

/// The crates whose events are the program's own log; of others only warnings are shown.
const OWN: [&str; 6] = ["oar_core", "cli_support", "oar", "oarctl", "job", "jobctl"];

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

impl<S: Subscriber> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        *metadata.level() != tracing::Level::TRACE && self.wants(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = level_of(*event.metadata().level());
        let now = self.clock.now();
        let mut message = self.redactor.redact(&fields.message).into_owned();
        for (name, value) in &fields.others {
            let _ = write!(message, " {name}={}", self.redactor.redact(value));
        }
        let line = log::line(now, level, &message);
        log::record(level, &line);
        let told_by_the_report =
            event.metadata().target() == log::OUTCOME_TARGET && self.lowest > Level::Debug;
        match self.format {
            LogFormat::Text if told_by_the_report => {}
            LogFormat::Text => self.ui.log(&line),
            LogFormat::Json => {
                let mut object = serde_json::Map::new();
                object.insert("time".into(), oar_core::clock::stamp(now).into());
                object.insert("level".into(), level.to_string().into());
                object.insert("message".into(), self.redactor.redact(&fields.message).into());
                for (name, value) in &fields.others {
                    object.insert((*name).into(), self.redactor.redact(value).into());
                }
                self.ui.log(&serde_json::Value::Object(object).to_string());
            }
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
