//! The hub's XML-RPC: `listTags`, with Koji's way of naming arguments and without it.

use axum::{
    Extension, Router,
    body::Bytes,
    extract::State as AxumState,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};
use quick_xml::{Reader, escape::escape, events::Event};
use serde_json::{Map, Value};

use super::model::State;
use crate::{
    unexpected::{Meant, Unexpected, unknown_route},
    world::Shared,
};

/// The hub; Apache gives it its address with a slash at the end as well.
pub fn hub() -> MethodRouter<Shared> {
    post(call).get(only_posts)
}

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new().route("/", hub()).fallback(unknown_route).method_not_allowed_fallback(unknown_route)
}

/// The hub's answer to a browser.
async fn only_posts() -> Response {
    let text = "Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.\n";
    (StatusCode::METHOD_NOT_ALLOWED, Extension(Meant), text).into_response()
}

async fn call(AxumState(world): AxumState<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/xml") {
        return (StatusCode::BAD_REQUEST, "not XML-RPC").into_response();
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let Some((method, parameters)) = read(&text) else {
        return answer(&fault(1000, "xml.parsers.expat.ExpatError: not well-formed"));
    };
    let state = world.brew.lock();
    if state.offline {
        return answer(&fault(1014, "database outage"));
    }
    if method != "listTags" {
        return Unexpected::new(format!("the hub's method {method}")).into_response();
    }
    answer(&list_tags(&state, &parameters))
}

fn answer(body: &str) -> Response {
    let text = format!("<?xml version='1.0'?>\n<methodResponse>\n{body}</methodResponse>\n");
    ([(header::CONTENT_TYPE, "text/xml")], text).into_response()
}

fn fault(code: i64, text: &str) -> String {
    format!(
        "<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n<value><int>{code}</int></value>\n</member>\n\
         <member>\n<name>faultString</name>\n<value><string>{}</string></value>\n</member>\n</struct></value>\n</fault>\n",
        escape(text)
    )
}

/// Named arguments come as one struct that says so with `__starstar`.
fn list_tags(state: &State, parameters: &[Value]) -> String {
    let named = parameters
        .last()
        .and_then(Value::as_object)
        .filter(|named| named.get("__starstar") == Some(&Value::Bool(true)));
    let build = match named {
        Some(named) => named.get("build"),
        None => parameters.first(),
    };
    let Some(build) = build.and_then(Value::as_str) else {
        return fault(1001, "<class 'koji.ParameterError'>: listTags needs a build");
    };
    let Some(found) = state.builds.get(build) else {
        return fault(1000, &format!("No such build: '{build}'"));
    };
    let entries: Vec<String> = found
        .tags
        .iter()
        .zip(70_001..)
        .map(|(tag, id)| {
            format!(
                "<value><struct>\n<member>\n<name>arches</name>\n<value><string>x86_64</string></value>\n</member>\n\
                 <member>\n<name>id</name>\n<value><int>{id}</int></value>\n</member>\n\
                 <member>\n<name>locked</name>\n<value><boolean>0</boolean></value>\n</member>\n\
                 <member>\n<name>name</name>\n<value><string>{}</string></value>\n</member>\n\
                 <member>\n<name>perm</name>\n<value><nil/></value></member>\n\
                 <member>\n<name>perm_id</name>\n<value><nil/></value></member>\n</struct></value>\n",
                escape(tag)
            )
        })
        .collect();
    format!(
        "<params>\n<param>\n<value><array><data>\n{}</data></array></value>\n</param>\n</params>\n",
        entries.concat()
    )
}

/// The method and its parameters.
fn read(text: &str) -> Option<(String, Vec<Value>)> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().trim_text(true);
    let mut method = None;
    let mut parameters = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.name().as_ref() == b"methodName" => {
                method = Some(content(&mut reader)?);
            }
            Event::Start(tag) if tag.name().as_ref() == b"value" => parameters.push(value(&mut reader, 0)?),
            Event::Eof => break,
            _ => {}
        }
    }
    Some((method?, parameters))
}

/// Reads the text of the element whose start tag was just read, to its end.
fn content(reader: &mut Reader<&[u8]>) -> Option<String> {
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Text(part) => text.push_str(&part.decode().ok()?),
            Event::GeneralRef(name) => {
                let name = name.decode().ok()?.into_owned();
                text.push_str(&quick_xml::escape::unescape(&format!("&{name};")).ok()?);
            }
            Event::End(_) => return Some(text),
            _ => return None,
        }
    }
}

/// Reads the value whose `<value>` tag was just read.
fn value(reader: &mut Reader<&[u8]>, depth: usize) -> Option<Value> {
    if depth > 10 {
        return None;
    }
    let mut found = Value::String(String::new());
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => match tag.name().as_ref() {
                b"string" => found = Value::String(content(reader)?),
                b"int" | b"i4" => found = Value::from(content(reader)?.parse::<i64>().ok()?),
                b"boolean" => found = Value::Bool(content(reader)? == "1"),
                b"struct" => found = Value::Object(members(reader, depth)?),
                _ => return None,
            },
            Event::Empty(tag) if tag.name().as_ref() == b"nil" => found = Value::Null,
            Event::Text(text) => found = Value::String(text.decode().ok()?.into_owned()),
            Event::End(tag) if tag.name().as_ref() == b"value" => return Some(found),
            _ => return None,
        }
    }
}

fn members(reader: &mut Reader<&[u8]>, depth: usize) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    let mut name = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => match tag.name().as_ref() {
                b"member" => {}
                b"name" => name = content(reader)?,
                b"value" => {
                    let member = value(reader, depth + 1)?;
                    members.insert(std::mem::take(&mut name), member);
                }
                _ => return None,
            },
            Event::End(tag) if tag.name().as_ref() == b"struct" => return Some(members),
            Event::End(_) => {}
            _ => return None,
        }
    }
}
