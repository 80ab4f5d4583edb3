//! Files as arguments of operations. The caller reads them: an operation never opens a file by name.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

/// A file: its name and content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct File {
    /// Its name, with or without folders
    pub name: String,
    /// Its content
    pub content: Content,
}

/// The content of a file, or why it cannot be read.
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
