//! Comments of an issue.

use axum::{Json, body::Bytes, http::StatusCode};
use serde_json::{Value, json};

use super::{
    asked::Asked,
    front::Version,
    issues::{body, page},
    model::{Comment, Issue, Right, Write},
    refusal::Refusal,
    state::State,
    text,
};

fn read(version: Version, bytes: &Bytes) -> Result<String, Refusal> {
    let body = body(bytes)?;
    let value =
        body.get("body").ok_or_else(|| Refusal::field("comment", "Comment body can not be empty!"))?;
    let text = text::read(version, "comment", value)?;
    if text.trim().is_empty() {
        return Err(Refusal::field("comment", "Comment body can not be empty!"));
    }
    Ok(text)
}

/// Adds a comment and answers its id.
pub(super) fn append(
    state: &mut State,
    key: &str,
    author: &str,
    body: String,
    now: &str,
) -> Result<u64, Refusal> {
    let id = state.next_id();
    let issue = state.visible_issue_mut(key)?;
    let (created, updated) = (now.to_owned(), now.to_owned());
    issue.comments.push(Comment { id, author: author.to_owned(), body, created, updated });
    issue.writes.push(Write::Commented(id));
    now.clone_into(&mut issue.updated);
    Ok(id)
}

fn find<'a>(issue: &'a Issue, id: &str) -> Result<&'a Comment, Refusal> {
    let missing = || Refusal::NotFound(format!("Can not find a comment for the id: {id}."));
    issue.comments.iter().find(|comment| comment.id.to_string() == id).ok_or_else(missing)
}

/// All comments in pages, oldest first; newest first with `orderBy=-created`.
pub(super) async fn list(asked: Asked) -> Result<Json<Value>, Refusal> {
    let (start, length) = page(asked.query.as_deref(), 100, 5000)?;
    let state = asked.world.jira.lock();
    let issue = state.visible_issue(&asked.key)?;
    let views = asked.views(&state);
    let mut all: Vec<&Comment> = issue.comments.iter().collect();
    if super::issues::value(asked.query.as_deref(), "orderBy").as_deref() == Some("-created") {
        all.reverse();
    }
    let comments: Vec<Value> =
        all.into_iter().skip(start).take(length).map(|comment| views.comment(issue, comment)).collect();
    Ok(Json(json!({
        "startAt": start, "maxResults": length, "total": issue.comments.len(), "comments": comments,
    })))
}

/// J-7.
pub(super) async fn add(asked: Asked, bytes: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let now = asked.now();
    let mut state = asked.world.jira.lock();
    let key = state.visible(&asked.key)?;
    asked.login.may(Right::Comment)?;
    state.before_change(&key, asked.world.clock.now());
    let id = append(&mut state, &key, &asked.login.account_id, read(asked.version, &bytes)?, &now)?;
    let issue = state.visible_issue(&key)?;
    let views = asked.views(&state);
    Ok((StatusCode::CREATED, Json(views.comment(issue, find(issue, &id.to_string())?))))
}

/// One comment.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.jira.lock();
    let issue = state.visible_issue(&asked.key)?;
    let views = asked.views(&state);
    Ok(Json(views.comment(issue, find(issue, &asked.comment)?)))
}

/// Changes one's own comment.
pub(super) async fn edit(asked: Asked, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let now = asked.now();
    let mut state = asked.world.jira.lock();
    let key = state.visible(&asked.key)?;
    let number = {
        let comment = find(state.visible_issue(&key)?, &asked.comment)?;
        if comment.author != asked.login.account_id {
            return Err(Refusal::Bad(format!(
                "You do not have permission to edit the comment with id: {}",
                asked.comment
            )));
        }
        comment.id
    };
    let body = read(asked.version, &bytes)?;
    let issue = state.visible_issue_mut(&key)?;
    for comment in issue.comments.iter_mut().filter(|comment| comment.id == number) {
        body.clone_into(&mut comment.body);
        now.clone_into(&mut comment.updated);
    }
    issue.writes.push(Write::CommentEdited(number));
    let issue = state.visible_issue(&key)?;
    let views = asked.views(&state);
    Ok(Json(views.comment(issue, find(issue, &asked.comment)?)))
}
