//! What the server checks of a lease.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Why a lease's `spec` cannot be read or kept.
pub(super) enum Problem {
    /// It is not of the kind's shape.
    Shape(String),
    /// A value is not allowed.
    Value(String),
}

/// The `spec` in the server's answer: members that are not set are left out, but never the `spec` itself.
pub(super) fn normalized(mut rest: Map<String, Value>) -> Map<String, Value> {
    let spec = rest.entry("spec").or_insert(Value::Null);
    let mut members = spec.as_object().cloned().unwrap_or_default();
    members.retain(|_, value| !value.is_null());
    *spec = Value::Object(members);
    rest
}

/// Looks at the `spec` of a lease.
pub(super) fn check(rest: &Map<String, Value>) -> Result<(), Problem> {
    let shape = |field: &str, expected: &str| {
        Problem::Shape(format!(
            "Lease in version \"v1\" cannot be handled as a Lease: json: cannot unmarshal into Go struct field \
             LeaseSpec.spec.{field} of type {expected}"
        ))
    };
    if let Some(unknown) = rest.keys().find(|name| *name != "spec") {
        return Err(Problem::Shape(format!("unknown field \"{unknown}\"")));
    }
    let Some(spec) = rest.get("spec").filter(|spec| !spec.is_null()) else { return Ok(()) };
    let Some(spec) = spec.as_object() else { return Err(shape("", "v1.LeaseSpec")) };
    for (field, value) in spec.iter().filter(|(_, value)| !value.is_null()) {
        match field.as_str() {
            "holderIdentity" | "strategy" | "preferredHolder" => {
                value.as_str().ok_or_else(|| shape(field, "string"))?;
            }
            "leaseDurationSeconds" | "leaseTransitions" => {
                let number = value.as_i64().ok_or_else(|| shape(field, "int32"))?;
                let least = i64::from(field == "leaseDurationSeconds");
                if number < least {
                    let words = if least == 1 { "greater than 0" } else { "greater than or equal to 0" };
                    return Err(Problem::Value(format!(
                        "spec.{field}: Invalid value: {number}: must be {words}"
                    )));
                }
            }
            "acquireTime" | "renewTime" => {
                // Six digits after the second, no fewer: the server's format.
                let text = value.as_str().ok_or_else(|| shape(field, "v1.MicroTime"))?;
                let digits = text
                    .split_once('.')
                    .map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
                if digits != 6 || text.parse::<Timestamp>().is_err() {
                    return Err(shape(field, "v1.MicroTime"));
                }
            }
            other => return Err(Problem::Shape(format!("unknown field \"spec.{other}\""))),
        }
    }
    Ok(())
}
