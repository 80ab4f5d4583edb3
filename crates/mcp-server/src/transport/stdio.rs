//! The protocol over standard input and output. Nothing else is written to standard output; logs go to standard error.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cli_support::CliError;
use oar_core::error::ErrorClass;
use oar_core::flow::interrupt::Interrupt;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::{Transport, stdio_pipes};
use rmcp::{RoleServer, ServerHandler, ServiceExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The longest message, in bytes, as over HTTP.
const LONGEST: usize = 1024 * 1024;
/// The codes of JSON-RPC for what is no JSON and for what is no message.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
/// How long calls that run may take to end after they were told to.
const END: Duration = Duration::from_secs(2);

/// Serves one client over standard input and output until it closes them or the program is told to stop. The handler
/// has a fixed caller.
///
/// # Errors
///
/// The client does not speak the protocol.
pub async fn serve_stdio<H: ServerHandler>(handler: H, stop: Interrupt) -> Result<(), CliError> {
    let (input, output) = stdio_pipes();
    serve(handler, input, output, stop).await
}

async fn serve<H, R, W>(handler: H, input: R, output: W, stop: Interrupt) -> Result<(), CliError>
where
    H: ServerHandler,
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let cancel = CancellationToken::new();
    let starting = handler.serve_with_ct(Lines::new(input, output), cancel.clone());
    let running = tokio::select! {
        biased;
        _ = stop.wait() => return Ok(()),
        started = starting => match started {
            Ok(running) => running,
            // It closed its side before it said anything.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => {
                return Err(CliError::new(ErrorClass::Failed, format!("the client cannot be served: {error}")).with_hint(
                    "Start this command from an MCP client; it speaks JSON-RPC on standard input and output.",
                ));
            }
        },
    };
    let mut ended = std::pin::pin!(running.waiting());
    let ended = tokio::select! {
        biased;
        _ = stop.wait() => {
            cancel.cancel();
            match tokio::time::timeout(END, ended).await {
                Ok(ended) => ended,
                Err(_) => return Ok(()),
            }
        }
        ended = ended.as_mut() => ended,
    };
    ended
        .map(drop)
        .map_err(|error| CliError::new(ErrorClass::Failed, format!("the server ended early: {error}")))
}

/// Messages, one a line. What is no message is answered with an error, and the conversation goes on.
struct Lines<W> {
    messages: mpsc::Receiver<RxJsonRpcMessage<RoleServer>>,
    output: Output<W>,
    reading: JoinHandle<()>,
}

/// Where whole lines are written; `None` once it is closed.
type Output<W> = Arc<Mutex<Option<W>>>;

impl<W: AsyncWrite + Send + Unpin + 'static> Lines<W> {
    fn new<R: AsyncRead + Send + Unpin + 'static>(input: R, output: W) -> Self {
        let output = Arc::new(Mutex::new(Some(output)));
        let (sender, messages) = mpsc::channel(1);
        let reading = tokio::spawn(read(BufReader::new(input), sender, Arc::clone(&output)));
        Self { messages, output, reading }
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Transport<RoleServer> for Lines<W> {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = Arc::clone(&self.output);
        async move { write(&output, &message).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.messages.recv().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.reading.abort();
        drop(self.output.lock().await.take());
        Ok(())
    }
}

impl<W> Drop for Lines<W> {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Hands on the messages that come in, until the input ends.
async fn read<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    mut input: BufReader<R>,
    messages: mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    output: Output<W>,
) {
    let mut line = Vec::new();
    loop {
        line.clear();
        let answered = match next_line(&mut input, &mut line).await {
            Ok(Line::Whole) => match parsed(&line) {
                Ok(Some(message)) => match messages.send(message).await {
                    Ok(()) => Ok(()),
                    Err(_) => return,
                },
                Ok(None) => Ok(()),
                Err(error) => write(&output, &error).await,
            },
            Ok(Line::TooLong) => {
                let what = format!("a message is longer than {LONGEST} bytes");
                write(&output, &refused(INVALID_REQUEST, &what, &Value::Null)).await
            }
            Ok(Line::End) => return,
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            tracing::warn!("the conversation over standard input and output ended: {error}");
            return;
        }
    }
}

/// What was read.
enum Line {
    /// A line, without its end.
    Whole,
    /// A line that is longer than [`LONGEST`]; nothing of it is kept.
    TooLong,
    /// Nothing more will come.
    End,
}

async fn next_line(input: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<Line> {
    let mut is_too_long = false;
    loop {
        let part = input.fill_buf().await?;
        if part.is_empty() {
            return Ok(Line::End);
        }
        let end = part.iter().position(|byte| *byte == b'\n');
        let (text, used) = (&part[..end.unwrap_or(part.len())], end.map_or(part.len(), |end| end + 1));
        is_too_long = is_too_long || line.len() + text.len() > LONGEST;
        if is_too_long {
            line.clear();
        } else {
            line.extend_from_slice(text);
        }
        input.consume(used);
        if end.is_some() {
            return Ok(if is_too_long { Line::TooLong } else { Line::Whole });
        }
    }
}

/// The message in a line; `Ok(None)` where there is none to answer, otherwise the answer to what is wrong.
fn parsed(line: &[u8]) -> Result<Option<RxJsonRpcMessage<RoleServer>>, Value> {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    if let Ok(message) = serde_json::from_slice(line) {
        return Ok(Some(message));
    }
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        return Err(refused(PARSE_ERROR, "the line is no JSON", &Value::Null));
    };
    let method = value.get("method");
    match value.get("id") {
        // Notifications have no answer, not even unknown ones.
        None if method.is_some_and(Value::is_string) => Ok(None),
        id => {
            // The id of an answer is that of a request of ours.
            let id = id.filter(|id| method.is_some() && (id.is_string() || id.is_number()));
            let id = id.unwrap_or(&Value::Null);
            Err(refused(INVALID_REQUEST, "the line is no message of JSON-RPC", id))
        }
    }
}

fn refused(code: i32, message: &str, id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

async fn write<W: AsyncWrite + Unpin>(output: &Output<W>, message: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(message)?;
    text.push(b'\n');
    let mut output = output.lock().await;
    let output = output.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    output.write_all(&text).await?;
    output.flush().await
}

#[cfg(test)]
mod tests {
    use oar_core::flow::interrupt::Signal;

    use super::*;
    use crate::transport::tests::Echo;

    const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

    #[tokio::test]
    async fn a_client_is_served_until_the_program_is_told_to_stop() {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (input, output) = tokio::io::split(server);
        let (sender, stop) = Interrupt::channel();
        let task = tokio::spawn(serve(Echo::default(), input, output, stop));
        let (read, mut write) = tokio::io::split(client);
        write.write_all(format!("{INITIALIZE}\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(read).lines();
        let answer = lines.next_line().await.unwrap().unwrap();
        assert!(answer.contains("\"protocolVersion\":\"2025-11-25\""), "{answer}");
        write.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n").await.unwrap();
        sender.send(Signal::Terminate);
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_is_no_message_is_answered_and_the_conversation_goes_on() {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (input, output) = tokio::io::split(server);
        let (_sender, stop) = Interrupt::channel();
        let task = tokio::spawn(serve(Echo::default(), input, output, stop));
        let (read, mut write) = tokio::io::split(client);
        let mut lines = BufReader::new(read).lines();
        write.write_all(format!("\u{feff}{INITIALIZE}\r\n").as_bytes()).await.unwrap();
        let answer = lines.next_line().await.unwrap().unwrap();
        assert!(answer.contains("\"protocolVersion\""), "{answer}");
        write.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\n").await.unwrap();
        let long = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"x\":\"{}\"}}", "x".repeat(2 * LONGEST));
        let deep = "[".repeat(100_000);
        for (line, code, id) in [
            ("this is no JSON", -32700, Value::Null),
            ("{\"jsonrpc\":\"2.0\",\"id\":7,", -32700, Value::Null),
            (deep.as_str(), -32700, Value::Null),
            (long.as_str(), -32600, Value::Null),
            ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":5}", -32600, json!(7)),
            ("{\"jsonrpc\":\"2.0\",\"id\":7}", -32600, Value::Null),
            ("[1, 2]", -32600, Value::Null),
            ("5", -32600, Value::Null),
        ] {
            let what = &line[..line.len().min(40)];
            write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
            let answer: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
            assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{what}: {answer}");
        }
        // A notification that nobody knows is no error.
        write.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\"}\n").await.unwrap();
        let call = json!({"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {"name": "who"}});
        write.write_all(format!("{call}\n").as_bytes()).await.unwrap();
        let answer = lines.next_line().await.unwrap().unwrap();
        assert!(answer.contains("called by nobody") && answer.contains("\"id\":8"), "{answer}");
        drop((write, lines));
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_not_collected_forever() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let sent = tokio::spawn(async move {
            client.write_all(&vec![b'x'; LONGEST]).await.unwrap();
            client.write_all(b"\n").await.unwrap();
            for _ in 0..4 {
                client.write_all(&vec![b'x'; LONGEST]).await.unwrap();
            }
            client.write_all(b"\nend\n").await.unwrap();
        });
        let (mut input, mut line) = (BufReader::new(server), Vec::new());
        assert!(matches!(next_line(&mut input, &mut line).await, Ok(Line::Whole)));
        assert_eq!(line.len(), LONGEST);
        line.clear();
        assert!(matches!(next_line(&mut input, &mut line).await, Ok(Line::TooLong)));
        assert!(line.is_empty() && line.capacity() <= 2 * LONGEST, "{}", line.capacity());
        assert!(matches!(next_line(&mut input, &mut line).await, Ok(Line::Whole)));
        assert_eq!(line, b"end");
        assert!(matches!(next_line(&mut input, &mut line).await, Ok(Line::End)));
        sent.await.unwrap();
    }
}
