//! Connections: accepted up to a bound, answered within a time, closed gracefully at the end.

use std::any::Any;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tracing::{debug, error, warn};

use crate::http::auth::Peer;
use crate::http::errors::Fault;
use crate::http::{Context, router};
use crate::supervise::Kind;

/// Connections of one listener; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
/// How long a client may take for the head of a request, idle time between requests included.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// How long a request may take, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(60);
/// How long requests that are being answered may take after the stop.
const STOP_TIME: Duration = Duration::from_secs(5);
/// Wait after a failed accept: mostly no file descriptors are left.
const ACCEPT_WAIT: Duration = Duration::from_millis(200);

/// Answers requests over TCP until `stop` resolves, then for at most 5 s what has begun.
pub async fn serve(
    listener: TcpListener,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Send,
) {
    let accept = || async {
        let (stream, _) = listener.accept().await?;
        // Answers are small and complete; waiting to fill a packet only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection keeps its delay");
        }
        Ok(stream)
    };
    run(accept, &context, Peer::Network, stop).await;
}

/// Answers requests over a unix socket, whose file permissions are its guard.
pub async fn serve_unix(
    listener: UnixListener,
    context: Arc<Context>,
    stop: impl Future<Output = ()> + Send,
) {
    let accept = || async { listener.accept().await.map(|(stream, _)| stream) };
    run(accept, &context, Peer::Socket, stop).await;
}

async fn run<S, F>(
    accept: impl Fn() -> F,
    context: &Arc<Context>,
    peer: Peer,
    stop: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>>,
{
    let router = router(context, peer);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept().await)
        };
        let (place, stream) = tokio::select! {
            biased;
            () = &mut stop => break,
            (place, stream) = next => (place, stream),
        };
        match stream {
            Ok(stream) => {
                let connection = graceful.watch(connection(stream, router.clone()));
                context.supervisor.spawn(Kind::Errand, async move {
                    if let Err(error) = connection.await {
                        debug!(%error, "a connection ended early");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_WAIT).await;
            }
        }
    }
    if tokio::time::timeout(STOP_TIME, graceful.shutdown()).await.is_err() {
        warn!("some requests were still being answered when time was up");
    }
}

fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
) -> http1::Connection<TokioIo<S>, TowerToHyperService<Router>> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

/// Answers 503 where a request takes too long; a handler that waits is dropped.
pub(super) async fn bound_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            format!("the request took longer than {} s", REQUEST_TIME.as_secs()),
        )
        .into_response(),
    }
}

/// Turns a panic of a handler into an answer; the process goes on.
#[allow(clippy::needless_pass_by_value, reason = "the shape that the layer asks for")]
pub(super) fn after_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words");
    error!(panic = words, "a request could not be answered");
    Fault::ours("a fault of the daemon; its log says more").into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpStream, UnixStream};
    use tokio::sync::oneshot;

    use super::*;
    use crate::http::fixture::House;

    const REQUEST: &[u8] = b"GET /-/healthy HTTP/1.1\r\nhost: localhost\r\n\r\n";

    #[tokio::test]
    async fn a_stop_closes_idle_connections_and_returns() {
        let house = House::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, Arc::clone(&house.context), async {
            stopped.await.unwrap();
        });
        let client = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(REQUEST).await.unwrap();
            let mut head = [0; 15];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(&head, b"HTTP/1.1 200 OK");
            stop.send(()).unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
        };
        let both = async { tokio::join!(serving, client) };
        tokio::time::timeout(STOP_TIME, both).await.expect("the server stops at once");
    }

    #[tokio::test]
    async fn the_unix_socket_speaks_the_same() {
        let house = House::new();
        let path = std::env::temp_dir().join(format!("watchbell-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = serve_unix(listener, Arc::clone(&house.context), async {
            stopped.await.unwrap();
        });
        let client = async {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(REQUEST).await.unwrap();
            let mut head = [0; 15];
            stream.read_exact(&mut head).await.unwrap();
            stop.send(()).unwrap();
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.unwrap();
            rest
        };
        let (_, answer) = tokio::join!(serving, client);
        std::fs::remove_file(&path).unwrap();
        assert!(answer.contains("Watchbell is healthy."), "{answer}");
    }

    #[test]
    fn a_panic_becomes_an_answer() {
        let answer = after_panic(Box::new("an index was wrong"));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
