//! What LuaJIT's compiler can reach of a buffer without a C function.

mod methods;
mod window;

pub(super) use window::Window;
