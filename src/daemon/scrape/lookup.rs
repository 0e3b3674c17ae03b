//! Names to addresses: the system's resolver, on threads of which there are only so many.
//!
//! The resolver blocks a thread, for half a minute where a name server is dead. Hundreds of targets
//! would take every thread on which rules are evaluated and pages find their hosts. A thread is
//! counted until it is free again, even when nobody waits for its answer any more.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;

/// Lookups at the same time; a small part of the threads that block.
const LOOKUPS_MAX: usize = 32;

/// A resolver; a clone counts with it, another one apart.
#[derive(Clone, Debug)]
pub(crate) struct Lookup(Arc<Semaphore>);

impl Default for Lookup {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }
}

impl Lookup {
    async fn resolve<T: Send + 'static>(
        self,
        resolve: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = self.0.acquire_owned().await.map_err(io::Error::other)?;
        let resolving = tokio::task::spawn_blocking(move || {
            let _given_back_at_the_end = place;
            resolve()
        });
        resolving.await.map_err(io::Error::other)?
    }
}

impl tower::Service<Name> for Lookup {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().resolve(move || (name.as_str(), 0).to_socket_addrs()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn names_are_resolved() {
        let name: Name = "localhost".parse().unwrap();
        let found: Vec<SocketAddr> =
            tower::Service::call(&mut Lookup::default(), name).await.unwrap().collect();
        assert!(found.iter().any(|address| address.ip().is_loopback()), "{found:?}");
    }

    #[tokio::test]
    async fn lookups_that_hang_leave_threads_for_others_even_when_nobody_waits_for_them() {
        let lookup = Lookup::default();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(parking_lot::Mutex::new(gate));
        let hang = || {
            let gate = Arc::clone(&gate);
            let hanging = lookup.clone().resolve(move || {
                // An error means that the gate is open.
                let (Ok(()) | Err(_)) = gate.lock().recv();
                Ok(())
            });
            tokio::time::timeout(Duration::from_millis(1), hanging)
        };
        for _ in 0..2 * LOOKUPS_MAX {
            assert!(hang().await.is_err(), "it hangs");
        }
        assert_eq!(lookup.0.available_permits(), 0, "its threads are still taken");
        assert!(lookup.clone().resolve(|| Ok(())).now_or_never().is_none(), "so it waits");
        drop(open);
        let free = lookup.clone().resolve(|| Ok(7));
        assert_eq!(tokio::time::timeout(Duration::from_secs(20), free).await.unwrap().unwrap(), 7);
    }
}
