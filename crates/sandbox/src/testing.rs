//! A small client for the sandbox's own tests.

use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use crate::{
    clock::ClockStart,
    sandbox::{Options, Sandbox},
};

/// An answer, read to the end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A request against a sandbox.
pub(crate) struct Ask(reqwest::RequestBuilder);

impl Ask {
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        Self(self.0.bearer_auth(token))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        Self(self.0.header("content-type", "application/json").body(body.to_string()))
    }

    pub(crate) fn form(self, body: &str) -> Self {
        Self(self.0.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned()))
    }

    pub(crate) async fn send(self) -> Answer {
        let answer = self.0.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    }
}

pub(crate) fn start() -> Sandbox {
    Sandbox::start(&Options::default()).unwrap()
}

/// A sandbox whose clock stands still.
pub(crate) fn start_frozen() -> Sandbox {
    let clock = ClockStart::Frozen("2026-07-02T10:00:00Z".parse().unwrap());
    Sandbox::start(&Options { clock, ..Options::default() }).unwrap()
}

pub(crate) fn ask(sandbox: &Sandbox, method: &str, path: &str) -> Ask {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    // No TLS here, and reading the system's certificates takes longer than the request.
    let client = reqwest::Client::builder().tls_built_in_root_certs(false).build().unwrap();
    Ask(client.request(method, format!("{}{path}", sandbox.base_url())))
}
