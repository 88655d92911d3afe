//! Access to a buffer for LuaJIT's compiled code, without a C function.

mod methods;
mod window;

pub(super) use window::Window;
