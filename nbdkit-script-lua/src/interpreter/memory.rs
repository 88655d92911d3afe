//! Where the bytes of a buffer are.

use nbdkit_script::ReadBuffer;
use nbdkit_script::script::api::MadeIn;

#[derive(Clone, Copy)]
pub(super) enum Memory {
    /// A script's own bytes, in the same block as the header, and when they were made.
    Own(*mut [u8], MadeIn),
    /// A read request that is to be filled.
    Fill(*mut ReadBuffer<'static>),
    /// A write request.
    Data(*const [u8]),
    /// A request that is over.
    Gone,
}
