//! Blocks of pod addresses for nodes: what kube-controller-manager's range allocator decides, with pools.

mod ask;
mod choose;
mod controller;
mod entry;
mod explain;
mod ledger;
mod pool;
mod tree;

pub use ask::{Ask, Fill, MOST_BLOCKS, blocks_to_ask_for};
pub use choose::{Choice, Refusal, choose, choose_further};
pub use controller::{Controller, Input, PoolUsage, Settings};
pub use entry::{Action, NodeState, Reason, Record};
pub use ledger::{Conflict, Ledger, Owner};
pub use pool::{Family, Pool, PoolError};
pub use tree::BlockTree;
