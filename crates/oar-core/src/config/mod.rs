//! Configuration: the encrypted document, ART's build data, endpoints, credentials, supported versions, settings.
//!
//! This is the only module of the library that reads the environment. [`Settings`] is everything that needs
//! no request; [`Settings::release`] adds the build data of one release and returns a [`ConfigStore`].
//! Credentials are read when they are needed, so that a command needs only those that it uses.

mod agents;
pub mod build_data;
pub mod check;
mod check_environment;
mod credentials;
mod document;
mod drive;
mod elliott;
pub mod endpoints;
pub mod environment;
mod error;
mod files;
mod freezes;
mod jobs;
pub mod jwe;
pub mod keys;
mod location;
mod mask;
mod mcp;
mod network;
mod notificator;
mod origins;
mod prow;
mod recent;
mod release_keys;
mod settings;
mod slack_bot;
mod state;
mod store;
mod versions;
mod wait;

pub use agents::{AGENT_COMMANDS, AgentSettings, agent_watchdog};
pub use build_data::{
    Advisories, GroupConfig, Impetus, InheritedId, Pending, ReleaseDate, ReleaseFacts, RpmDelivery,
    ShipmentKind, ShipmentUrl,
};
pub use check::{Problem, Severity, check_document, check_expiry, check_section};
pub use check_environment::check_environment;
pub use credentials::{Credential, Credentials};
pub use document::{ComponentWaiver, Document, SlackTeam};
pub use drive::{DrivePolicy, Leave};
pub use elliott::ElliottSettings;
pub use endpoints::Endpoints;
pub use environment::Environment;
pub use error::ConfigError;
pub use freezes::DatedFreeze;
pub use jobs::JobSettings;
pub use location::{find_document, open_document};
pub use mask::masked;
pub use mcp::{MCP_PROFILES, MCP_SCOPES, MCP_SHORT_TOOLS, McpCaller};
pub use network::PYXIS_CONCURRENCY;
pub use notificator::NotificatorSettings;
pub use origins::{InvalidOrigin, Origins, RefusedAddress};
pub use prow::{InClusterAddress, ProwSettings, RateLimit, TriggerForm};
pub use recent::RecentReleases;
pub(crate) use release_keys::armored_key;
pub use settings::{LogFormat, Settings, default_release};
pub use slack_bot::ChannelGroups;
pub use state::{StateLocation, StateSettings};
pub use store::{BuildDataFile, ConfigStore, Flow, Metadata};
pub use versions::SupportedVersions;
pub use wait::WaitPolicy;
