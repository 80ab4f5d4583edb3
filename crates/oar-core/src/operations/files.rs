//! Files that an operation is asked about. The caller reads them: an operation opens no file that somebody names.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

/// A file: what it is called, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct File {
    /// Its name, with folders or without
    pub name: String,
    /// What it holds
    pub content: Content,
}

/// What a file holds, or why it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content(pub Result<Vec<u8>, String>);

impl File {
    /// Its name without folders.
    pub fn own_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Ok(String::deserialize(deserializer)?.into_bytes())))
    }
}

impl JsonSchema for Content {
    fn schema_name() -> Cow<'static, str> {
        "Content".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
