//! JSON schemas and deserialization of types that are a single text.

/// Implements the JSON schema of a type that is read from text: a description and examples. A type with a
/// fixed set of texts lists them with `one of`.
macro_rules! text_schema {
    ($type:ty, $name:literal, $description:literal, [$($example:expr),+ $(,)?]) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "description": $description, "examples": [$($example),+],
                })
            }
        }
    };
    ($type:ty, $name:literal, $description:literal, one of $texts:expr) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description, "enum": $texts })
            }
        }
    };
}

/// Deserializes a type from JSON with its `FromStr`.
macro_rules! read_from_text {
    ($($type:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

pub(crate) use {read_from_text, text_schema};
