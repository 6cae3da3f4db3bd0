//! The ports in memory with a list of faults: what is asked may fail before it has happened, or after.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use relay_core::body::Pointer;
use relay_core::breaker::Breaker;
use relay_core::envelope::Envelope;
use relay_core::identity::RelayId;
use relay_core::lifecycle::{Again, ClaimRequest, Life};
use relay_core::message::Message;
use relay_core::outcome::DeadReason;
use relay_core::ports::{
    Begun, BreakerWritten, Breakers, ByteStream, Claim, DeadLetter, Found, OpenError, Payloads,
    PortError, Queue, Receipt, Recorded, Settled, Settlement, SignedLink, Store,
};
use relay_core::time::Timestamp;
use relay_core::upload::UploadId;
use relay_testkit::{MemoryBreakers, MemoryPayloads, MemoryQueue, MemoryStore};

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not happen, and fails.
    Before,
    /// It happens, and the answer is lost.
    After,
    /// It finds something that it cannot read.
    Unreadable,
    /// It never answers.
    Hangs,
    /// The code that asks panics.
    Panics,
}

/// What somebody else does just before a call, and how often.
struct Meanwhile {
    call: &'static str,
    times: usize,
    act: Box<dyn Fn() + Send>,
}

/// A fault of the next call of this name after as many that go well.
struct Planned {
    call: &'static str,
    after: usize,
    fault: Fault,
}

/// The faults to come and the calls that were made.
#[derive(Default)]
pub(crate) struct Faults {
    planned: Mutex<VecDeque<Planned>>,
    meanwhile: Mutex<Option<Meanwhile>>,
    calls: Mutex<Vec<&'static str>>,
}

impl Faults {
    /// The next call of this name goes wrong.
    pub(crate) fn plan(&self, call: &'static str, fault: Fault) {
        self.plan_after(0, call, fault);
    }

    /// The call of this name that follows as many that go well goes wrong.
    pub(crate) fn plan_after(&self, after: usize, call: &'static str, fault: Fault) {
        self.planned.lock().unwrap().push_back(Planned { call, after, fault });
    }

    /// Somebody else does this just before each of the next calls of this name.
    pub(crate) fn meanwhile(
        &self,
        call: &'static str,
        times: usize,
        act: impl Fn() + Send + 'static,
    ) {
        *self.meanwhile.lock().unwrap() = Some(Meanwhile { call, times, act: Box::new(act) });
    }

    /// The calls made since this was asked last.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    pub(crate) async fn around<T, E: From<PortError>>(
        &self,
        call: &'static str,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.calls.lock().unwrap().push(call);
        if let Some(meanwhile) = &mut *self.meanwhile.lock().unwrap()
            && meanwhile.call == call
            && meanwhile.times > 0
        {
            meanwhile.times -= 1;
            (meanwhile.act)();
        }
        let fault = {
            let mut planned = self.planned.lock().unwrap();
            let index = planned.iter().position(|planned| planned.call == call);
            match index.map(|index| (index, planned[index].after)) {
                None => None,
                Some((index, 0)) => planned.remove(index).map(|planned| planned.fault),
                Some((index, after)) => {
                    planned[index].after = after - 1;
                    None
                }
            }
        };
        let lost = || {
            let reason = "secret internals".to_owned();
            Err(PortError::Unavailable { action: call, reason }.into())
        };
        match fault {
            None => act.await,
            Some(Fault::Before) => lost(),
            Some(Fault::After) => {
                act.await?;
                lost()
            }
            Some(Fault::Unreadable) => {
                let reason = "secret internals".to_owned();
                Err(PortError::Corrupt { action: call, reason }.into())
            }
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Panics) => panic!("a planned panic"),
        }
    }
}

/// A port with faults.
pub(crate) struct Faulty<P> {
    pub(crate) port: P,
    pub(crate) faults: Arc<Faults>,
}

#[async_trait]
impl Breakers for Faulty<MemoryBreakers> {
    async fn read(&self, destination: &str, now: Timestamp) -> Result<Option<Breaker>, PortError> {
        self.faults.around("breaker", self.port.read(destination, now)).await
    }

    async fn write(&self, _: &str, _: &Breaker) -> Result<BreakerWritten, PortError> {
        panic!("ingest writes no breaker")
    }
}

#[async_trait]
impl Store for Faulty<MemoryStore> {
    async fn record(&self, message: &Message, now: Timestamp) -> Result<Recorded, PortError> {
        self.faults.around("record", self.port.record(message, now)).await
    }

    async fn find(&self, id: &RelayId, now: Timestamp) -> Result<Option<Found>, PortError> {
        self.faults.around("find", self.port.find(id, now)).await
    }

    async fn mark_queued(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.faults.around("mark_queued", self.port.mark_queued(id, life, now)).await
    }

    async fn claim(&self, id: &RelayId, claim: &ClaimRequest) -> Result<Claim, PortError> {
        self.port.claim(id, claim).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, PortError> {
        self.port.settle(settlement).await
    }

    async fn give_up(
        &self,
        id: &RelayId,
        life: &Life,
        reason: DeadReason,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.port.give_up(id, life, reason, now).await
    }

    async fn cancel(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<Settled, PortError> {
        self.faults.around("cancel", self.port.cancel(id, life, now)).await
    }

    async fn mark_buried(
        &self,
        id: &RelayId,
        life: &Life,
        now: Timestamp,
    ) -> Result<(), PortError> {
        self.port.mark_buried(id, life, now).await
    }

    async fn begin_again(
        &self,
        id: &RelayId,
        life: &Life,
        again: Again,
        now: Timestamp,
    ) -> Result<Begun, PortError> {
        let begun = self.port.begin_again(id, life, again, now);
        self.faults.around("begin_again", begun).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.faults.around("table ready", self.port.ready()).await
    }
}

#[async_trait]
impl Queue for Faulty<MemoryQueue> {
    async fn send(&self, envelope: &Envelope, delay: Duration) -> Result<(), PortError> {
        self.faults.around("send", self.port.send(envelope, delay)).await
    }

    async fn postpone(&self, receipt: &Receipt, wait: Duration) -> Result<(), PortError> {
        self.port.postpone(receipt, wait).await
    }

    async fn bury(&self, letter: &DeadLetter) -> Result<(), PortError> {
        self.port.bury(letter).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.faults.around("queue ready", self.port.ready()).await
    }
}

#[async_trait]
impl Payloads for Faulty<MemoryPayloads> {
    fn bucket(&self) -> &str {
        self.port.bucket()
    }

    async fn put(&self, pointer: &Pointer, bytes: Bytes) -> Result<(), PortError> {
        self.faults.around("put", self.port.put(pointer, bytes)).await
    }

    async fn open(&self, pointer: &Pointer) -> Result<ByteStream, OpenError> {
        self.faults.around("open", self.port.open(pointer)).await
    }

    async fn adopt(&self, upload: &UploadId, pointer: &Pointer) -> Result<bool, PortError> {
        self.faults.around("adopt", self.port.adopt(upload, pointer)).await
    }

    async fn upload_link(
        &self,
        upload: &UploadId,
        now: Timestamp,
    ) -> Result<SignedLink, PortError> {
        self.faults.around("upload_link", self.port.upload_link(upload, now)).await
    }

    async fn download_link(
        &self,
        pointer: &Pointer,
        now: Timestamp,
    ) -> Result<SignedLink, PortError> {
        self.port.download_link(pointer, now).await
    }

    async fn ready(&self) -> Result<(), PortError> {
        self.faults.around("bucket ready", self.port.ready()).await
    }
}
