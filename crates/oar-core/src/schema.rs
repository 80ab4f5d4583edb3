//! JSON schemas of types that read and write themselves as one text.

/// Describes a type to programs as the text that it is read from: what it is, and examples of it. A type of which
/// only some texts exist names them all with `one of`.
macro_rules! text_schema {
    ($type:ty, $name:literal, $description:literal, [$($example:literal),+ $(,)?]) => {
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

pub(crate) use text_schema;
