//! The header of our userdata, the seal that tells it from any other, and the state that all our C
//! functions use.

use std::cell::{Cell, OnceCell};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use mlua::ffi::{self, lua_State};
use nbdkit_script::file::Closable;
use nbdkit_script::script::api::{Answer, Memory};
use nbdkit_script::script::store::Disk;
use nbdkit_script::{Error, Result};

#[cfg(feature = "luajit")]
use super::jit::Window;
use super::registry::Places;
use super::stopper::Stopper;

/// The beginning of a buffer's userdata.
#[repr(C)]
pub(super) struct Header {
    /// First, because `window.lua` expects it here.
    #[cfg(feature = "luajit")]
    pub(super) window: Window,
    pub(super) seal: Seal,
    pub(super) memory: Memory,
}

impl Header {
    /// Writes the header of a buffer's userdata.
    ///
    /// # Safety
    /// There must be room for a header.
    pub(super) unsafe fn put(header: *mut Header, memory: Memory) {
        // SAFETY: the caller's.
        unsafe {
            header.write(Header {
                #[cfg(feature = "luajit")]
                window: Window::of(memory),
                seal: Seal::of(header),
                memory,
            });
        }
    }
}

/// Tells our userdata from any other: it combines the userdata's address and its type. A metatable
/// would not do, because `debug.setmetatable` gives one to any value.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub(super) struct Seal(usize);

impl Seal {
    #[inline]
    pub(super) fn of<B: Block>(block: *const B) -> Seal {
        Seal(block.addr() ^ B::TYPE)
    }
}

/// A type of userdata with a [`Seal`].
pub(super) trait Block: Sized {
    /// Tells these types apart.
    const TYPE: usize;
    /// The offset of the seal, in bytes.
    const SEAL: usize;
}

macro_rules! blocks {
    ($($block:ty: $type:literal)*) => {
        $(impl Block for $block {
            const TYPE: usize = u32::from_be_bytes(*$type) as usize;
            const SEAL: usize = std::mem::offset_of!(Self, seal);
        })*
    };
}

blocks! {
    Header: b"buff"
    DiskBlock: b"disk"
    FileBlock: b"file"
    Known: b"know"
}

/// The userdata at this place of the stack, if it has this type.
///
/// # Safety
/// The place must be acceptable to Lua; it need not have a value.
#[inline]
pub(super) unsafe fn block_at<B: Block>(state: *mut lua_State, place: c_int) -> Option<*mut B> {
    // SAFETY: the caller's. The seal is only read if there is room for the whole block; a light
    // userdata has length 0.
    unsafe {
        let block = ffi::lua_touserdata(state, place).cast::<B>();
        let is_one = !block.is_null()
            && ffi::lua_rawlen(state, place) as usize >= size_of::<B>()
            && block.byte_add(B::SEAL).cast::<Seal>().read() == Seal::of(block);
        is_one.then_some(block)
    }
}

/// The userdata of a disk.
#[repr(C)]
pub(super) struct DiskBlock {
    pub(super) seal: Seal,
    pub(super) disk: &'static Disk,
}

/// The userdata of a file.
#[repr(C)]
pub(super) struct FileBlock {
    pub(super) seal: Seal,
    /// `None` once the finalizer has run, which a script can trigger while it still has the object.
    pub(super) file: Option<Arc<Closable>>,
}

/// The state that all our C functions use, one per interpreter. It never moves.
#[repr(C)]
pub(super) struct Known {
    /// First, because we read no more than this of a foreign userdata.
    seal: Cell<Seal>,
    /// The buffer that is lent now. It stays alive until we take it back, so nothing else can have
    /// its address, and its seal need not be checked.
    pub(super) lent: Cell<*mut Header>,
    pub(super) places: Places,
    /// The errno from `nbdkit.set_error`; 0 for none.
    pub(super) pending_errno: Cell<i32>,
    /// What a C function is about to return or raise: see `answer.rs`.
    pub(super) returning: Cell<*const Returning<'static>>,
    /// How many bytes Lua used after we last collected its garbage for lack of memory.
    pub(super) used_before: Cell<usize>,
    /// Whether mlua's function at [`Places::describe`] can be called.
    pub(super) describes: Cell<bool>,
    pub(super) stopper: Arc<Stopper>,
}

/// What a C function is about to return or raise.
pub(super) struct Returning<'a> {
    pub(super) result: Result<Answer<'a>>,
    /// The level of the function whose position goes in front of an error, counted as in
    /// `luaL_where`.
    pub(super) level: c_int,
    /// The error, if the answer could not be made after all.
    pub(super) failed: OnceCell<Error>,
}

impl<'a> Returning<'a> {
    pub(super) fn new(result: Result<Answer<'a>>, level: c_int) -> Self {
        Returning { result, level, failed: OnceCell::new() }
    }

    pub(super) fn is_error(&self) -> bool {
        self.result.is_err() || self.failed.get().is_some()
    }
}

/// The key of a state's [`Known`] in the registry is the address of this.
static KEY: u8 = 0;

impl Known {
    pub(super) fn new(places: Places, stopper: Arc<Stopper>) -> Self {
        Known {
            seal: Cell::default(),
            lent: Cell::new(ptr::null_mut()),
            places,
            pending_errno: Cell::new(0),
            returning: Cell::new(ptr::null()),
            used_before: Cell::new(0),
            describes: Cell::new(false),
            stopper,
        }
    }

    /// Puts its address into the registry.
    ///
    /// # Safety
    /// Only where Lua catches errors, with room on the stack. It must outlive the state.
    pub(super) unsafe fn register(&self, state: *mut lua_State) {
        self.seal.set(Seal::of(self));
        // SAFETY: the caller's.
        unsafe {
            ffi::lua_pushlightuserdata(state, ptr::from_ref(&KEY).cast_mut().cast());
            self.push(state);
            ffi::lua_rawset(state, ffi::LUA_REGISTRYINDEX);
        }
    }

    /// Pushes its address, as an upvalue for functions.
    ///
    /// # Safety
    /// With room on the stack. A light userdata needs no memory.
    pub(super) unsafe fn push(&self, state: *mut lua_State) {
        // SAFETY: the caller's.
        unsafe { ffi::lua_pushlightuserdata(state, ptr::from_ref(self).cast_mut().cast()) };
    }

    /// Gets a state's from the registry.
    ///
    /// # Safety
    /// Only in a C function or a hook that Lua runs, with room on the stack.
    pub(super) unsafe fn of_state<'a>(state: *mut lua_State) -> &'a Known {
        // SAFETY: `register` put it there, under a key that nobody else has. A light userdata needs
        // no memory, and a table without metamethods raises no error.
        unsafe {
            ffi::lua_pushlightuserdata(state, ptr::from_ref(&KEY).cast_mut().cast());
            ffi::lua_rawget(state, ffi::LUA_REGISTRYINDEX);
            let known = ffi::lua_touserdata(state, -1).cast::<Known>();
            ffi::lua_settop(state, -2);
            &*known
        }
    }

    /// Gets the running function's from its first upvalue. `None` if a script replaced that with
    /// `debug.setupvalue`.
    ///
    /// # Safety
    /// Only in a C function whose first upvalue came from [`push`](Self::push).
    #[inline]
    pub(super) unsafe fn of_function<'a>(state: *mut lua_State) -> Option<&'a Known> {
        // SAFETY: the caller's. It belongs to the `Interpreter` that owns the state, and is dropped
        // after the state. If another userdata is in its place, we read only the seal.
        unsafe {
            let known: *mut c_void = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
            let known = known.cast::<Known>().cast_const();
            let is_known = !known.is_null() && known.cast::<Seal>().read() == Seal::of(known);
            is_known.then(|| &*known)
        }
    }
}
