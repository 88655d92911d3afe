//! The functions of nbdkit that plugins call: all that nbdkit 1.32 has, and `nbdkit_disconnect`.
//!
//! A plugin that is linked in finds them through a table here. One that is loaded later finds them
//! if the linker put them into the program's dynamic symbol table: see
//! [`Nbdkit::load`](crate::Nbdkit).
#![allow(unsafe_code)]
#![allow(unreachable_pub, reason = "plugins reach them, by way of the linker")]

mod lists;
mod log;
mod parse;
mod password;
mod session;
mod tested;
mod text;

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use nbdkit_script::__private::provide;

pub(crate) use tested::{Answer, answer_by};

/// Finds a function by its name.
macro_rules! find {
    ($wanted:ident: $($room:ident::$name:ident)*) => {
        match $wanted.to_bytes() {
            $(name if name == stringify!($name).as_bytes() => {
                $room::$name as *const () as *mut c_void
            })*
            _ => std::ptr::null_mut(),
        }
    };
}

/// The functions that the framework looks up.
fn find(wanted: &CStr) -> Option<NonNull<c_void>> {
    NonNull::new(find! {
        wanted:
        log::nbdkit_error log::nbdkit_debug
        session::nbdkit_set_error session::nbdkit_stdio_safe session::nbdkit_export_name
        session::nbdkit_is_tls session::nbdkit_peer_name session::nbdkit_peer_pid
        session::nbdkit_peer_uid session::nbdkit_peer_gid session::nbdkit_disconnect
        session::nbdkit_shutdown session::nbdkit_nanosleep
        lists::nbdkit_use_default_export lists::nbdkit_add_export
        parse::nbdkit_parse_size parse::nbdkit_parse_bool
        parse::nbdkit_parse_int64_t parse::nbdkit_parse_uint64_t
        text::nbdkit_strdup_intern text::nbdkit_absolute_path text::nbdkit_realpath
        password::nbdkit_read_password
        tested::nbdkit_script_test_ask_1
    })
}

extern "C" fn provide_functions() {
    // SAFETY: these are nbdkit's functions, with nbdkit's types.
    unsafe { provide(find) };
}

/// Runs before `main`, so that a test can parse parameters without any plugin.
// SAFETY: the section holds pointers to functions without arguments, and this is one.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = provide_functions;
