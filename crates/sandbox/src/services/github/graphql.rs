//! The GraphQL interface, as far as it is used: contents by their git names, `repository { object(oid: …) { … on Blob { … } } }`,
//! and labels of pull requests, `repository { pullRequest(number: …) { labels(first: …) { totalCount nodes { name } } } }`.
//!
//! Everything else is answered as not simulated. Facts: spec 05 §2 (text is cut, null for binary content; a missing
//! repository or pull request is a partial answer with status 200, and so is a query that is too heavy; an integer of more
//! than 32 bits refuses the whole query).

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{identity::Caller, reply::refuse, repository::Repository};
use crate::{unexpected::Unexpected, world::Shared};

/// `text` holds no more bytes.
const LONGEST_TEXT: usize = 512_000;
/// One query asks for no more nodes.
const MOST_NODES: usize = 500_000;

#[derive(Deserialize)]
pub(super) struct Request {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
}

/// A field with its alias, arguments and selection.
#[derive(Debug)]
struct Field {
    alias: String,
    name: String,
    arguments: Vec<(String, String)>,
    /// The type that the selection is for, in `… on Type`.
    on: Option<String>,
    selection: Vec<Field>,
}

/// `POST /graphql`.
pub(super) async fn answer(
    State(world): State<Shared>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Request>,
) -> Response {
    if caller.0.is_none() {
        return refuse(StatusCode::FORBIDDEN, "This endpoint requires you to be authenticated.");
    }
    let query = match parse(&request.query, &request.variables.unwrap_or_default()) {
        Ok(query) => query,
        Err(problem) => return Unexpected::new(format!("GraphQL: {problem}")).into_response(),
    };
    if let Some(refusal) = query.iter().find_map(no_integer) {
        return Json(json!({ "errors": [refusal] })).into_response();
    }
    let github = world.github.lock();
    let (mut data, mut errors) = (Map::new(), Vec::new());
    for (place, field) in query.iter().enumerate() {
        if github.graphql_limit.is_some_and(|limit| place >= limit) {
            errors.push(json!({
                "type": "RESOURCE_LIMITS_EXCEEDED", "path": [field.alias],
                "message": "Resource limits for this query exceeded.",
            }));
            data.insert(field.alias.clone(), Value::Null);
            continue;
        }
        let argument =
            |name: &str| field.arguments.iter().find(|(found, _)| found == name).map(|(_, value)| value);
        let (Some(owner), Some(name), "repository") =
            (argument("owner"), argument("name"), field.name.as_str())
        else {
            return Unexpected::new(format!("GraphQL field {}", field.name)).into_response();
        };
        let known = github.pull_requests.get(&format!("{owner}/{name}"));
        let asks_for_pulls = field.selection.iter().any(|part| part.name == "pullRequest");
        let value = if let Some(known) = known.filter(|_| asks_for_pulls) {
            match pull_requests(known, field, &mut errors) {
                Ok(value) => value,
                Err(problem) => return Unexpected::new(format!("GraphQL: {problem}")).into_response(),
            }
        } else if let Some(repository) = github.repository(owner, name) {
            match objects(repository, &field.selection) {
                Ok(value) => value,
                Err(problem) => return Unexpected::new(format!("GraphQL: {problem}")).into_response(),
            }
        } else {
            errors.push(json!({
                "type": "NOT_FOUND", "path": [field.alias],
                "message": format!("Could not resolve to a Repository with the name '{owner}/{name}'."),
            }));
            Value::Null
        };
        data.insert(field.alias.clone(), value);
    }
    let mut answer = json!({"data": data});
    if !errors.is_empty() {
        answer["errors"] = errors.into();
    }
    Json(answer).into_response()
}

/// Why the whole query is refused: a number of a pull request is no integer of 32 bits.
fn no_integer(repository: &Field) -> Option<Value> {
    let parts = repository.selection.iter().filter(|part| part.name == "pullRequest");
    let mut numbers = parts.flat_map(|part| part.arguments.iter().map(move |(_, number)| (part, number)));
    let (part, number) = numbers.find(|(_, number)| number.parse::<i32>().is_err())?;
    Some(json!({
        "path": ["query", repository.alias, part.alias, "number"],
        "message": format!(
            "Argument 'number' on Field 'pullRequest' has an invalid value ({number}). Expected type 'Int!'."
        ),
    }))
}

/// Labels of the pull requests that `field`, a repository, asks for.
fn pull_requests(
    known: &BTreeMap<u64, Vec<String>>,
    field: &Field,
    errors: &mut Vec<Value>,
) -> Result<Value, String> {
    let mut found = Map::new();
    for part in &field.selection {
        let number = match part.arguments.as_slice() {
            [(name, number)] if part.name == "pullRequest" && name == "number" => number,
            _ => return Err(format!("field {} of a repository", part.name)),
        };
        let labels = number.parse().ok().and_then(|number: u64| known.get(&number));
        let Some(labels) = labels else {
            errors.push(json!({
                "type": "NOT_FOUND", "path": [field.alias, part.alias],
                "message": format!("Could not resolve to a PullRequest with the number of {number}."),
            }));
            found.insert(part.alias.clone(), Value::Null);
            continue;
        };
        let mut view = Map::new();
        for wanted in &part.selection {
            let first = match wanted.arguments.as_slice() {
                [(name, first)] if wanted.name == "labels" && name == "first" => first.parse::<usize>().ok(),
                _ => return Err(format!("field {} of a pull request", wanted.name)),
            };
            let first = first.filter(|first| (1..=100).contains(first)).ok_or("`first` is not 1 to 100")?;
            let mut connection = Map::new();
            for member in &wanted.selection {
                let value = match member.name.as_str() {
                    "totalCount" => json!(labels.len()),
                    "nodes" if member.selection.iter().all(|field| field.name == "name") => {
                        labels.iter().take(first).map(|name| json!({ "name": name })).collect()
                    }
                    other => return Err(format!("field {other} of labels")),
                };
                connection.insert(member.alias.clone(), value);
            }
            view.insert(wanted.alias.clone(), connection.into());
        }
        found.insert(part.alias.clone(), view.into());
    }
    Ok(found.into())
}

fn objects(repository: &Repository, selection: &[Field]) -> Result<Value, String> {
    if selection.len() > MOST_NODES {
        return Err("more nodes than one query may ask for".to_owned());
    }
    let mut found = Map::new();
    for field in selection {
        let [(argument, oid)] = field.arguments.as_slice() else {
            return Err(format!("field {}", field.name));
        };
        if field.name != "object" || argument != "oid" {
            return Err(format!("field {} by {argument}", field.name));
        }
        let value = match repository.blob(oid) {
            None => Value::Null,
            Some(content) => {
                let mut object = Map::new();
                for part in field.selection.iter().filter(|part| part.on.as_deref() == Some("Blob")) {
                    for wanted in &part.selection {
                        object.insert(wanted.alias.clone(), blob(content, &wanted.name)?);
                    }
                }
                object.into()
            }
        };
        found.insert(field.alias.clone(), value);
    }
    Ok(found.into())
}

fn blob(content: &[u8], field: &str) -> Result<Value, String> {
    // Binary is what git takes for that.
    let binary = content.iter().take(8_000).any(|byte| *byte == 0);
    Ok(match field {
        "byteSize" => content.len().into(),
        "isBinary" => binary.into(),
        "isTruncated" => (content.len() > LONGEST_TEXT).into(),
        "text" if binary => Value::Null,
        "text" => {
            let cut = content.get(..LONGEST_TEXT).unwrap_or(content);
            String::from_utf8_lossy(cut).into_owned().into()
        }
        other => return Err(format!("field {other} of Blob")),
    })
}

/// The words of a query: names, strings with their quotation marks, variables, punctuation.
fn words(query: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = query.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut word = letter.to_string();
        if letter == '"' {
            for next in letters.by_ref() {
                word.push(next);
                if next == '"' {
                    break;
                }
            }
        } else if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$') {
            while let Some(next) = letters.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                word.push(next);
            }
        } else if letter == '.' {
            while letters.next_if_eq(&'.').is_some() {
                word.push('.');
            }
        } else if letter.is_whitespace() || letter == ',' {
            continue;
        }
        words.push(word);
    }
    words
}

fn parse(query: &str, variables: &Map<String, Value>) -> Result<Vec<Field>, String> {
    let words = words(query);
    let start = words.iter().position(|word| word == "{").ok_or("no selection")?;
    let mut place = start;
    let head = words.get(..start).unwrap_or_default();
    if head.first().is_some_and(|word| word != "query") {
        return Err(format!("operation {}", head.join(" ")));
    }
    let fields = selection(&words, &mut place, variables)?;
    if place == words.len() { Ok(fields) } else { Err("something after the query".to_owned()) }
}

fn selection(
    words: &[String],
    place: &mut usize,
    variables: &Map<String, Value>,
) -> Result<Vec<Field>, String> {
    let word = |place: usize| words.get(place).map(String::as_str).ok_or("the query ends too early");
    let mut fields = Vec::new();
    *place += 1;
    while word(*place)? != "}" {
        let mut field = Field {
            alias: word(*place)?.to_owned(),
            name: word(*place)?.to_owned(),
            arguments: Vec::new(),
            on: None,
            selection: Vec::new(),
        };
        *place += 1;
        if field.name == "..." {
            field.on = Some(word(*place + 1)?.to_owned());
            *place += 2;
        } else if word(*place)? == ":" {
            word(*place + 1)?.clone_into(&mut field.name);
            *place += 2;
        }
        if word(*place)? == "(" {
            *place += 1;
            while word(*place)? != ")" {
                let (name, colon, value) = (word(*place)?, word(*place + 1)?, word(*place + 2)?);
                if colon != ":" {
                    return Err(format!("argument {name}"));
                }
                let value = match value.strip_prefix('$') {
                    Some(variable) => variables.get(variable).and_then(Value::as_str).ok_or("a variable")?,
                    None => value.trim_matches('"'),
                };
                field.arguments.push((name.to_owned(), value.to_owned()));
                *place += 3;
            }
            *place += 1;
        }
        if word(*place)? == "{" {
            field.selection = selection(words, place, variables)?;
        }
        fields.push(field);
    }
    *place += 1;
    Ok(fields)
}
