//! The connections: HTTP/1.1 in, answers out, and the ways in which a line can fail.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::service::{Call, Reply, Service};
use super::{Stop, stopped};

/// The largest body of a POST (PROTOCOL §a.1).
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// How long calls under way may take to end once the server stops. Chosen.
const GRACE: Duration = Duration::from_millis(500);

/// Accepts until `stop`, then lets the calls under way end.
pub(super) async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let how = loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Reaped as they end, or the set would only grow.
            Some(_) = connections.join_next() => continue,
            how = stopped(&mut stop) => break how,
        };
        match accepted {
            Ok((stream, _)) => {
                service.connected();
                connections.spawn(connection(stream, Arc::clone(&service), stop.clone()));
            }
            // Out of descriptors, most likely; they come back as connections end.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    drop(listener);
    if how == Stop::Now {
        connections.abort_all();
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
    // Without it, an answer may wait 40 ms for the acknowledgement of the one before. If it
    // can't be set, the answers are slower and still right.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let line = Line {
        stream: TokioIo::new(stream),
        reset: Arc::clone(&reset),
    };
    let answer =
        service_fn(move |request| answer(request, Arc::clone(&service), Arc::clone(&reset)));
    let connection = http1::Builder::new().serve_connection(line, answer);
    tokio::pin!(connection);
    // How a connection ends is the client's affair, and often what a fault wants.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(GRACE, connection).await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    service: Arc<Service>,
    reset: Arc<AtomicBool>,
) -> io::Result<Response<Answer>> {
    let (head, body) = request.into_parts();
    let reply = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            service.call(Call { head, body }).await
        }
        Err(error) if error.is::<LengthLimitError>() => service.too_large(),
        Err(error) => return Err(io::Error::other(error)),
    };
    match reply {
        Reply::Whole(response) => Ok(response.map(|body| Answer::Whole(Some(body)))),
        Reply::Half(response) => Ok(response.map(|body| Answer::Half {
            promised: body.len() as u64,
            sent: Some(body.slice(..body.len() / 2)),
            flushed: false,
        })),
        Reply::Reset => {
            reset.store(true, Ordering::Relaxed);
            Err(io::Error::other("reset on purpose"))
        }
        Reply::Silence => std::future::pending().await,
    }
}

/// The body of an answer.
enum Answer {
    Whole(Option<Bytes>),
    /// Breaks off after `sent`, although `promised` bytes were announced.
    Half {
        promised: u64,
        sent: Option<Bytes>,
        flushed: bool,
    },
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(body) => Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Half { sent, flushed, .. } => {
                if let Some(bytes) = sent.take() {
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                if !*flushed {
                    // hyper throws away what it has not written yet when a body fails; waiting
                    // one turn makes it write.
                    *flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(io::Error::other("broken off on purpose"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Self::Half { promised, .. } => SizeHint::with_exact(*promised),
        }
    }
}

/// A TCP connection that closes with a reset (RST) instead of an end (FIN) once `reset` is set.
struct Line {
    stream: TokioIo<TcpStream>,
    reset: Arc<AtomicBool>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // The caller would see an end instead: as bad for it, and nothing else to be done.
            let _ = self.stream.inner().set_zero_linger();
        }
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}
