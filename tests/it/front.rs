//! What a Service is in a cluster: one address in front of several replicas, of which only those that are ready get new
//! connections. Connections that are there stay where they are.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::client::RUNTIME;
use crate::operator::{Setup, free_port};

/// Ends when dropped.
pub struct Front {
    pub port: u16,
    tasks: Vec<JoinHandle<()>>,
}

impl Front {
    /// A front on a port of its own.
    pub fn new() -> Self {
        Self { port: free_port(), tasks: Vec::new() }
    }

    /// Begins to pass connections on.
    pub fn serve(&mut self, replicas: &[&Setup]) {
        let ports: Vec<(u16, u16)> = replicas.iter().map(|one| (one.webhook_port, one.health_port)).collect();
        let ready: Arc<Mutex<Vec<u16>>> = Arc::default();
        let port = self.port;
        let endpoints = ready.clone();
        self.tasks.push(RUNTIME.spawn(async move {
            loop {
                let mut found = Vec::new();
                for (webhook, health) in &ports {
                    if is_ready(*health).await {
                        found.push(*webhook);
                    }
                }
                *endpoints.lock().unwrap_or_else(PoisonError::into_inner) = found;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }));
        let listener = RUNTIME.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port))).unwrap();
        self.tasks.push(RUNTIME.spawn(async move {
            let mut turn = 0;
            loop {
                let Ok((mut client, _)) = listener.accept().await else { return };
                let mut endpoints = ready.lock().unwrap_or_else(PoisonError::into_inner).clone();
                turn += 1;
                if !endpoints.is_empty() {
                    let first = turn % endpoints.len();
                    endpoints.rotate_left(first);
                }
                tokio::spawn(async move {
                    for endpoint in endpoints {
                        // One that died a moment ago is still among them.
                        let Ok(mut replica) = TcpStream::connect((Ipv4Addr::LOCALHOST, endpoint)).await else {
                            continue;
                        };
                        let _ = (client.set_nodelay(true), replica.set_nodelay(true));
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut replica).await;
                        return;
                    }
                });
            }
        }));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// As a kubelet asks.
async fn is_ready(health: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, health)).await.ok()?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: replica\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer.starts_with("HTTP/1.1 200"))
    };
    matches!(tokio::time::timeout(Duration::from_secs(1), ask).await, Ok(Some(true)))
}
