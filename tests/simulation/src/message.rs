//! What travels between participants and the storage.

use lessor::StorageError;
use lessor::storage::{Reply, Request};

use crate::cells::{CellAsk, CellTold};
use crate::reference::{Failed, Reference, client_go, less};

/// A request, of whichever protocol.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// Several are a batch: one message, each key an atomic step of its own.
    Lessor(Vec<Request>),
    /// For registers: several are one message, each an atomic step of its own.
    Cells(Vec<CellAsk>),
    Less(<less::Less as Reference>::Request),
    ClientGo(<client_go::ClientGo as Reference>::Request),
}

/// An answer, of whichever protocol.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Lessor(Vec<Result<Reply, StorageError>>),
    Cells(Vec<Result<CellTold, StorageError>>),
    Less(<less::Less as Reference>::Answer),
    ClientGo(<client_go::ClientGo as Reference>::Answer),
    /// The connection failed. Whether the request was applied is open.
    Failed,
}

/// A reference protocol's part in these.
pub(crate) trait Travels: Reference {
    fn ask(request: Self::Request) -> Ask;
    fn told(told: Told) -> Result<Self::Answer, Failed>;
}

impl Travels for less::Less {
    fn ask(request: Self::Request) -> Ask {
        Ask::Less(request)
    }

    fn told(told: Told) -> Result<Self::Answer, Failed> {
        if let Told::Less(answer) = told { Ok(answer) } else { Err(Failed) }
    }
}

impl Travels for client_go::ClientGo {
    fn ask(request: Self::Request) -> Ask {
        Ask::ClientGo(request)
    }

    fn told(told: Told) -> Result<Self::Answer, Failed> {
        if let Told::ClientGo(answer) = told { Ok(answer) } else { Err(Failed) }
    }
}

impl Ask {
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Lessor(requests) => match requests.as_slice() {
                [request] => request.operation().as_str(),
                _ => "batch",
            },
            Self::Cells(asks) => match asks.as_slice() {
                [ask] => ask.operation(),
                _ => "batch",
            },
            Self::Less(request) => less::Less::operation(request),
            Self::ClientGo(request) => client_go::ClientGo::operation(request),
        }
    }
}
