//! A file in a thread, in Slack's three steps (spec 05 §4.6, "files").

use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use super::SlackClient;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Repeat};
use crate::permit::WritePermit;
use crate::service::Service;

const OPERATION: &str = "upload a file";

/// A text file to show in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload<'a> {
    /// The channel's id.
    pub channel: &'a str,
    /// The `ts` of the first message of the thread.
    pub thread: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its content; not empty.
    pub content: &'a str,
    /// The text above it, in Slack's markup.
    pub comment: &'a str,
}

/// Why a file is not there.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Slack takes no files from us, or none here: nobody sees anything of it, and messages are the way.
    #[error("Slack takes no file here: {0}")]
    Refused(ServiceError),
    /// It is not known whether people see it.
    #[error(transparent)]
    Unclear(ServiceError),
}

#[derive(Deserialize)]
struct AddressAnswer {
    upload_url: Url,
    file_id: String,
}

#[derive(Serialize)]
struct Complete<'a> {
    files: [CompleteFile<'a>; 1],
    channel_id: &'a str,
    thread_ts: &'a str,
    initial_comment: &'a str,
}

#[derive(Serialize)]
struct CompleteFile<'a> {
    id: &'a str,
    title: &'a str,
}

impl SlackClient {
    /// Shows a file in a thread. Until the last step it is private, so that what failed before can be done otherwise.
    ///
    /// # Errors
    ///
    /// Every failure but a lost answer to the last step means that people see nothing.
    pub async fn upload(&self, file: &Upload<'_>, permit: &WritePermit) -> Result<(), UploadError> {
        let subject = || format!("channel {}", file.channel);
        let parameters = [("filename", file.name.to_owned()), ("length", file.content.len().to_string())];
        let answer: AddressAnswer = self
            .get(
                self.connector(OPERATION, subject()).permitted(permit),
                "files.getUploadURLExternal",
                &parameters,
            )
            .await
            .map_err(UploadError::Refused)?;
        self.send_content(file, answer.upload_url, permit).await.map_err(UploadError::Refused)?;
        let mut connector = self.connector(OPERATION, subject()).permitted(permit);
        connector.repeat = Repeat::OnlyWhenRefused;
        let complete = Complete {
            files: [CompleteFile { id: &answer.file_id, title: file.name }],
            channel_id: file.channel,
            thread_ts: file.thread,
            initial_comment: file.comment,
        };
        self.change(connector, "files.completeUploadExternal", &complete).await.map_err(|error| {
            match error.kind {
                ServiceErrorKind::Unclear => UploadError::Unclear(error),
                _ => UploadError::Refused(error),
            }
        })
    }

    /// The bytes go to an address that is the credential itself: no token goes there.
    async fn send_content(
        &self,
        file: &Upload<'_>,
        address: Url,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let failed = |kind, words: &str| ServiceError::new(Service::Slack, OPERATION, kind, words.to_owned());
        if address.scheme() != "https" && self.inner.base.scheme() == "https" {
            return Err(failed(ServiceErrorKind::Malformed, "Slack named an address without TLS"));
        }
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        let call = Call::new(Service::Slack, OPERATION, Method::POST, address)
            .about(format!("channel {}", file.channel))
            .header(CONTENT_TYPE, text)
            .body(file.content.to_owned())
            .repeat(Repeat::OnlyWhenRefused)
            .permitted(permit)
            .page();
        let reply = self.inner.http.send(call).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        Err(reply.failure(ServiceErrorKind::Rejected, "the content was not taken"))
    }
}
