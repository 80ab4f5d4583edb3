//! The routes: list, look, download.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json, Router,
    extract::{Path, Query, State as AxumState},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{
    artifacts,
    checksum::crc32c,
    front::{gate, refuse},
    glob,
    model::Object,
};
use crate::{
    services::Refused,
    unexpected::{Unexpected, unknown_route},
    world::{Shared, World},
};

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/storage/v1/b/{bucket}", get(bucket))
        .route("/storage/v1/b/{bucket}/o", get(list))
        .route("/storage/v1/b/{bucket}/o/{name}", get(look))
        .route("/download/storage/v1/b/{bucket}/o/{name}", get(look))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

type Parameters = Query<BTreeMap<String, String>>;

/// Refuses parameters that are not simulated and would change the answer.
fn strange(parameters: &BTreeMap<String, String>, known: &[&str]) -> Result<(), Refused> {
    // These change nothing that a client depends on.
    const HARMLESS: [&str; 5] = ["projection", "prettyPrint", "fields", "quotaUser", "userProject"];
    match parameters.keys().find(|name| !known.contains(&name.as_str()) && !HARMLESS.contains(&name.as_str()))
    {
        Some(name) => Err(Unexpected::new(format!("parameter {name}")).into()),
        None => Ok(()),
    }
}

fn no_bucket() -> Response {
    refuse(StatusCode::NOT_FOUND, "notFound", "The specified bucket does not exist.")
}

async fn bucket(
    AxumState(world): AxumState<Shared>,
    Path(bucket): Path<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    gate(&world, &headers, "bucket", "storage.buckets.get")?;
    strange(&parameters, &["alt"])?;
    if !world.gcs.lock().buckets.contains(&bucket) {
        return Err(no_bucket().into());
    }
    Ok(Json(json!({
        "kind": "storage#bucket", "id": bucket, "name": bucket, "location": "US", "storageClass": "STANDARD",
        "selfLink": format!("{}/storage/v1/b/{bucket}", world.url("/gcs")), "projectNumber": "100", "metageneration": "1",
    }))
    .into_response())
}

fn describe(world: &World, bucket: &str, name: &str, object: &Object) -> Value {
    let generation = object.created.as_microsecond().to_string();
    let address = format!("{}/storage/v1/b/{bucket}/o/{}", world.url("/gcs"), name.replace('/', "%2F"));
    let checksum = crc32c(&object.content);
    json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{name}/{generation}"),
        "selfLink": address,
        "mediaLink": format!("{}?generation={generation}&alt=media", address.replace("/storage/v1", "/download/storage/v1")),
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": object.kind,
        "storageClass": "STANDARD",
        "size": object.content.len().to_string(),
        "crc32c": checksum,
        "etag": BASE64_URL_SAFE_NO_PAD.encode(&generation),
        "timeCreated": object.created.to_string(),
        "updated": object.created.to_string(),
    })
}

async fn list(
    AxumState(world): AxumState<Shared>,
    Path(bucket): Path<String>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    const KNOWN: [&str; 6] = ["alt", "prefix", "delimiter", "pageToken", "maxResults", "matchGlob"];
    gate(&world, &headers, "bucket", "storage.objects.list")?;
    strange(&parameters, &KNOWN)?;
    let value = |name: &str| parameters.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let invalid = |message: &str| Refused::from(refuse(StatusCode::BAD_REQUEST, "invalid", message));
    let pattern = value("matchGlob").map(glob::pattern).transpose().map_err(|problem| invalid(&problem))?;
    let delimiter = value("delimiter");
    if pattern.is_some() && delimiter.is_some_and(|delimiter| delimiter != "/") {
        return Err(invalid("matchGlob can only be combined with the delimiter '/'."));
    }
    let largest = world.gcs.lock().page;
    let page = match value("maxResults").map(str::parse::<usize>) {
        None => largest,
        Some(Ok(wanted)) if wanted > 0 => wanted.min(largest),
        Some(_) => return Err(invalid("Invalid maxResults")),
    };
    let after = match value("pageToken").map(|token| BASE64_URL_SAFE_NO_PAD.decode(token)) {
        None => None,
        Some(Ok(bytes)) => String::from_utf8(bytes).ok(),
        Some(Err(_)) => return Err(invalid("Invalid page token")),
    };
    let prefix = value("prefix").unwrap_or_default();
    let objects = artifacts::objects(&world, &bucket, prefix).ok_or_else(no_bucket)?;

    // Objects and folders share one order and one page.
    let (mut items, mut folders) = (Vec::new(), BTreeSet::new());
    let mut last = None;
    let mut more = false;
    for (name, object) in &objects {
        if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(name)) {
            continue;
        }
        let rest = name.get(prefix.len()..).unwrap_or_default();
        let folder = delimiter.and_then(|delimiter| {
            let (head, _) = rest.split_once(delimiter)?;
            Some(format!("{prefix}{head}{delimiter}"))
        });
        let entry = folder.as_ref().unwrap_or(name);
        if after.as_ref().is_some_and(|after| entry <= after) || folders.contains(entry) {
            continue;
        }
        if items.len() + folders.len() == page {
            more = true;
            break;
        }
        last = Some(entry.clone());
        match folder {
            Some(folder) => {
                folders.insert(folder);
            }
            None => items.push(describe(&world, &bucket, name, object)),
        }
    }
    let mut answer = Map::new();
    answer.insert("kind".to_owned(), "storage#objects".into());
    if let Some(last) = last.filter(|_| more) {
        answer.insert("nextPageToken".to_owned(), BASE64_URL_SAFE_NO_PAD.encode(last).into());
    }
    if !folders.is_empty() {
        answer.insert("prefixes".to_owned(), json!(folders));
    }
    // An empty list is left out, as the service does.
    if !items.is_empty() {
        answer.insert("items".to_owned(), Value::Array(items));
    }
    Ok(Json(answer).into_response())
}

/// An object's description, or its content with `alt=media`.
async fn look(
    AxumState(world): AxumState<Shared>,
    Path((bucket, name)): Path<(String, String)>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    gate(&world, &headers, "object", "storage.objects.get")?;
    strange(&parameters, &["alt", "generation"])?;
    let objects = artifacts::objects(&world, &bucket, &name).ok_or_else(no_bucket)?;
    let Some(object) = objects.get(&name) else {
        // Whoever may not list is not told what is there.
        gate(&world, &headers, "object", "storage.objects.list")?;
        let text = format!("No such object: {bucket}/{name}");
        if parameters.get("alt").is_some_and(|alt| alt == "media") {
            let kind = [(header::CONTENT_TYPE, "text/html; charset=UTF-8")];
            return Err((StatusCode::NOT_FOUND, kind, text).into_response().into());
        }
        return Err(refuse(StatusCode::NOT_FOUND, "notFound", &text).into());
    };
    Ok(match parameters.get("alt").map(String::as_str) {
        None | Some("json") => Json(describe(&world, &bucket, &name, object)).into_response(),
        Some("media") => {
            let mut response =
                ([(header::CONTENT_TYPE, object.kind.clone())], object.content.clone()).into_response();
            let checksum = format!("crc32c={}", crc32c(&object.content));
            if let Ok(value) = HeaderValue::from_str(&checksum) {
                response.headers_mut().insert("x-goog-hash", value);
            }
            response
                .headers_mut()
                .insert("x-goog-generation", HeaderValue::from(object.created.as_microsecond()));
            response
        }
        Some(_) => refuse(StatusCode::BAD_REQUEST, "invalidAltValue", "Invalid value for alt"),
    })
}
