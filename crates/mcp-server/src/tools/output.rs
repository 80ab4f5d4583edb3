//! What results of tools look like.

use serde_json::{Map, Value, json};

/// What stands under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Flag,
    Number,
    List,
    Map,
    /// Of several forms, or null.
    Any,
}

/// A key of a result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
}

/// A key that every success has.
pub(super) fn key(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, required: true }
}

/// A key that some successes have.
pub(super) fn maybe(name: &'static str, shape: Shape) -> Key {
    Key { name, shape, required: false }
}

/// The schema of what a tool answers whose work may go on after its call: these keys, or those of its run.
pub(super) fn schema_of_long_work(keys: &[Key]) -> Map<String, Value> {
    let of_run = [maybe("run_id", Shape::Text), maybe("state", Shape::Text)];
    let of_result = keys.iter().map(|key| Key { required: false, ..*key });
    schema(&of_result.chain(of_run).collect::<Vec<_>>())
}

/// The schema of a successful result: these keys and any further ones.
pub(super) fn schema(keys: &[Key]) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in keys {
        let of_key = match key.shape {
            Shape::Text => json!({ "type": "string" }),
            Shape::Flag => json!({ "type": "boolean" }),
            Shape::Number => json!({ "type": "number" }),
            Shape::List => json!({ "type": "array" }),
            Shape::Map => json!({ "type": "object" }),
            Shape::Any => json!({}),
        };
        properties.insert(key.name.to_owned(), of_key);
    }
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema.insert("additionalProperties".to_owned(), true.into());
    schema
}

/// The schema of a result that is one text.
pub(super) fn text_schema() -> Map<String, Value> {
    let Value::Object(schema) = json!({
        "type": "object",
        "properties": { "result": { "type": "string" } },
        "required": ["result"],
    }) else {
        return Map::new();
    };
    schema
}
