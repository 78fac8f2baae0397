//! The server on its port: start, switch, look into it, stop.

use super::state::{Extra, Moment, Request, State};
use super::storage;
use super::switches::Switches;
use super::wire::exchange;
use super::world::World;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// A server on loopback; it stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts on a free port.
    pub fn start(world: World, switches: Switches) -> Server {
        Server::start_at(0, world, switches, None)
    }

    /// Starts on a given port (0: a free one). `extra` answers every path but `/graphql`.
    pub fn start_at(port: u16, world: World, switches: Switches, extra: Option<Extra>) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::new(world, switches, extra));
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.spawn(accept(listener, state.clone(), false));
        let storage = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        storage.set_nonblocking(true).unwrap();
        state.storage.url.set(format!("http://{}", storage.local_addr().unwrap())).unwrap();
        runtime.spawn(accept(storage, state.clone(), true));
        Server { address, state, runtime: Some(runtime) }
    }

    /// `http://127.0.0.1:PORT`, for `WANDB_BASE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`, for netrc.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Throws switches; requests that come from now on see them.
    pub fn set(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.state.switches.lock().unwrap());
    }

    /// Changes the world now.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.state.change(change)
    }

    /// Looks at the world as it is.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.state.world.read().unwrap())
    }

    /// Calls `hook` before each GraphQL request is executed, with the request's number and the world, to be changed.
    pub fn on_request(&self, hook: impl FnMut(u64, &mut World) + Send + 'static) {
        *self.state.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// Keeps every set of runs that a project goes through from now on.
    pub fn watch(&self, entity: &str, project: &str) {
        self.state.watch(entity, project);
    }

    /// The sets of runs that the watched project went through, the first being the one when the watch began.
    pub fn moments(&self) -> Vec<Moment> {
        self.state.moments()
    }

    /// The requests so far, in the order of their numbers.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests()
    }

    /// The requests to the storage host so far, as they came.
    pub fn storage_requests(&self) -> Vec<Request> {
        self.state.storage.requests()
    }

    /// Forgets the requests so far; their numbers go on.
    pub fn forget_requests(&self) {
        self.state.storage.forget();
        self.state.forget_requests();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Connections end at once, also those that hang.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, storage: bool) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        stream.set_nodelay(true).ok();
        let state = state.clone();
        tokio::spawn(async move {
            let (http, stream) = (http1::Builder::new(), TokioIo::new(stream));
            // A connection that ends in an error is one that was to be broken.
            match storage {
                true => http.serve_connection(stream, service_fn(|r| storage::exchange(state.clone(), r))).await.ok(),
                false => http.serve_connection(stream, service_fn(|r| exchange(state.clone(), r))).await.ok(),
            }
        });
    }
}
