//! The small orchestrator against a minimal platform over real loopback sockets.

#[cfg(test)]
mod link;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod relay;
