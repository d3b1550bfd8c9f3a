//! What is under way: codes that wait for their client, and devices that wait for their person.
//! Bounded, since whoever reaches this machine can begin as many as they like.

use std::collections::HashMap;

/// The most of each kind.
const MOST: usize = 1_000;

/// A code that was given out.
pub(super) struct Code {
    pub(super) client: &'static str,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) subject: String,
    pub(super) until: i64,
}

/// A device that wants to be somebody's.
pub(super) struct Device {
    pub(super) user_code: String,
    pub(super) challenge: String,
    pub(super) subject: Option<String>,
    pub(super) until: i64,
    /// How long to wait between two questions, in seconds.
    pub(super) interval: i64,
    /// Before that it asks too early.
    pub(super) next: i64,
}

#[derive(Default)]
pub(super) struct Grants {
    codes: HashMap<String, Code>,
    devices: HashMap<String, Device>,
}

impl Grants {
    /// Keeps a code; `false` where there are too many.
    pub(super) fn add_code(&mut self, code: String, grant: Code, now: i64) -> bool {
        self.codes.retain(|_, code| now < code.until);
        let has_room = self.codes.len() < MOST;
        if has_room {
            self.codes.insert(code, grant);
        }
        has_room
    }

    /// Takes a code out: it works once, whatever comes of it.
    pub(super) fn take_code(&mut self, code: &str, now: i64) -> Option<Code> {
        self.codes.remove(code).filter(|code| now < code.until)
    }

    /// Keeps a device; `false` where there are too many.
    pub(super) fn add_device(&mut self, code: String, device: Device, now: i64) -> bool {
        // One that is over is remembered for as long again, so that it can be told so.
        self.devices.retain(|_, device| now < device.until + super::device::LIFE);
        let has_room = self.devices.len() < MOST;
        if has_room {
            self.devices.insert(code, device);
        }
        has_room
    }

    pub(super) fn device(&mut self, code: &str) -> Option<&mut Device> {
        self.devices.get_mut(code)
    }

    /// Takes a device out: it gets one token.
    pub(super) fn take_device(&mut self, code: &str) -> Option<Device> {
        self.devices.remove(code)
    }

    /// The device that shows this code and waits for its person.
    pub(super) fn waiting(&mut self, user_code: &str, now: i64) -> Option<&mut Device> {
        let is_waiting = |device: &&mut Device| {
            device.user_code == user_code && device.subject.is_none() && now < device.until
        };
        self.devices.values_mut().find(is_waiting)
    }
}
