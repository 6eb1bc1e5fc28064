//! The little of HTTP that a scrape needs: a GET, an answer, the end of the connection.

use super::page::{Exposed, page};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// Longest request, bytes.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Longest time that a request may take to come and its answer to go.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers for ever, one scrape at a time.
pub(crate) async fn serve(listener: TcpListener, nodes: Vec<Exposed>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // whoever goes away or sends nonsense gets no answer
                let _ = timeout(TIME_MAX, answer(stream, &nodes)).await;
            }
            Err(error) => {
                tracing::warn!(%error, "a scrape was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, nodes: &[Exposed]) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > REQUEST_BYTES_MAX || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let answer = match path(&request) {
        Some("/metrics") => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response("200 OK", kind, &page(nodes).await)
        }
        Some(_) => response("404 Not Found", "text/plain", "only /metrics is here\n"),
        None => response("405 Method Not Allowed", "text/plain", "only GET is understood\n"),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// What is asked for, without its query; `None` when it is not a GET.
fn path(request: &[u8]) -> Option<&str> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.strip_prefix("GET ")?.split(' ').next()?;
    target.split('?').next()
}

fn response(status: &str, kind: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_has_a_path() {
        assert_eq!(path(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"), Some("/metrics"));
        assert_eq!(path(b"GET / HTTP/1.0\r\n\r\n"), Some("/"));
        assert_eq!(path(b"POST /metrics HTTP/1.1\r\n\r\n"), None);
        assert_eq!(path(b"\xff\xfe\r\n\r\n"), None);
    }
}
