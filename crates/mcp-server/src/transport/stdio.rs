//! The protocol over standard input and output. Nothing else is written to standard output; logs go to standard error.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cli_support::CliError;
use oar_core::error::ErrorClass;
use oar_core::flow::interrupt::Interrupt;
use rmcp::ServerHandler;
use rmcp::ServiceExt as _;
use rmcp::transport::stdio_pipes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// The longest message, in bytes, as over HTTP.
const LONGEST: usize = 1024 * 1024;
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
    let transport = (Bounded { input, line: 0 }, output);
    let starting = handler.serve_with_ct(transport, cancel.clone());
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

/// Input of which no line is longer than [`LONGEST`].
struct Bounded<R> {
    input: R,
    /// The length of the line so far.
    line: usize,
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.input).poll_read(context, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        let mut parts = read.split(|byte| *byte == b'\n').map(<[u8]>::len);
        let mut longest = self.line + parts.next().unwrap_or_default();
        self.line = longest;
        for part in parts {
            longest = longest.max(part);
            self.line = part;
        }
        if longest > LONGEST {
            // A failed read reads nothing.
            buffer.set_filled(before);
            let message = format!("a message is longer than {LONGEST} bytes");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use oar_core::flow::interrupt::Signal;
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

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
    async fn a_line_without_an_end_is_not_collected_forever() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut good = vec![b'x'; LONGEST - 1];
            good.push(b'\n');
            client.write_all(&good).await.unwrap();
            // The reader stops before the end of this.
            let _ = client.write_all(&vec![b'x'; LONGEST + 1]).await;
        });
        let mut read = Vec::new();
        let error = Bounded { input: server, line: 0 }.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!((LONGEST..=2 * LONGEST).contains(&read.len()), "{}", read.len());
    }
}
