//! The parts of Tcl's C API that this crate uses, declared by hand from the manual pages (section
//! 3tcl). Tcl 9 differs from 8.6 in the type of lengths, and where `cfg(tcl9)` says so.
#![allow(unsafe_code, non_camel_case_types, non_snake_case)]

#[cfg(not(tcl9))]
use std::ffi::c_uint;
use std::ffi::{c_char, c_double, c_int, c_void};
use std::sync::atomic::AtomicPtr;

/// The type of lengths and counts.
#[cfg(not(tcl9))]
pub type Tcl_Size = c_int;
/// The type of lengths and counts.
#[cfg(tcl9)]
pub type Tcl_Size = isize;

/// What `Tcl_Alloc` takes.
#[cfg(not(tcl9))]
pub type Tcl_AllocSize = c_uint;
/// What `Tcl_Alloc` takes.
#[cfg(tcl9)]
pub type Tcl_AllocSize = usize;

pub const TCL_OK: c_int = 0;
pub const TCL_ERROR: c_int = 1;

/// Looks up a variable among the globals.
pub const TCL_GLOBAL_ONLY: c_int = 1;
/// Calls a trace for writes to a variable.
pub const TCL_TRACE_WRITES: c_int = 0x20;
/// Calls a trace when a variable is unset.
pub const TCL_TRACE_UNSETS: c_int = 0x40;

/// Runs a command in the global namespace, as at a script's top level.
pub const TCL_EVAL_GLOBAL: c_int = 0x2_0000;

/// The script cannot catch the cancellation.
pub const TCL_CANCEL_UNWIND: c_int = 0x10_0000;

/// An interpreter.
#[repr(C)]
pub struct Tcl_Interp {
    _opaque: [u8; 0],
}

/// A handler of asynchronous events.
#[repr(C)]
pub struct Tcl_AsyncHandler_ {
    _opaque: [u8; 0],
}

pub type Tcl_AsyncHandler = *mut Tcl_AsyncHandler_;

/// A character encoding.
#[cfg(tcl9)]
#[repr(C)]
pub struct Tcl_Encoding_ {
    _opaque: [u8; 0],
}

#[cfg(tcl9)]
pub type Tcl_Encoding = *mut Tcl_Encoding_;

/// A command's token.
#[repr(C)]
pub struct Tcl_Command_ {
    _opaque: [u8; 0],
}

pub type Tcl_Command = *mut Tcl_Command_;

/// The type of a value's internal form. Tcl 9 has more fields at the end than 8.6; if `rest` is all
/// zeroes, it does not use them.
#[repr(C)]
pub struct Tcl_ObjType {
    pub name: *const c_char,
    pub freeIntRepProc: Option<unsafe extern "C" fn(*mut Tcl_Obj)>,
    pub dupIntRepProc: Option<unsafe extern "C" fn(*mut Tcl_Obj, *mut Tcl_Obj)>,
    pub updateStringProc: Option<unsafe extern "C" fn(*mut Tcl_Obj)>,
    pub setFromAnyProc: Option<unsafe extern "C" fn(*mut Tcl_Interp, *mut Tcl_Obj) -> c_int>,
    pub rest: [usize; 12],
}

// SAFETY: nobody changes a type.
unsafe impl Sync for Tcl_ObjType {}

/// A value.
#[repr(C)]
pub struct Tcl_Obj {
    pub refCount: Tcl_Size,
    /// The string form; null while there is none.
    pub bytes: *mut c_char,
    pub length: Tcl_Size,
    /// The type of the internal form; null while there is none.
    pub typePtr: *const Tcl_ObjType,
    pub internalRep: [*mut c_void; 2],
}

/// A command's function and data. Tcl 9 has more fields at the end than 8.6; `rest` has room.
#[repr(C)]
pub struct Tcl_CmdInfo {
    pub isNativeObjectProc: c_int,
    pub objProc: Option<Tcl_ObjCmdProc>,
    pub objClientData: *mut c_void,
    pub rest: [*mut c_void; 9],
}

/// The key of a block of memory of which each thread has its own.
#[repr(transparent)]
pub struct Tcl_ThreadDataKey(pub *mut c_void);

pub type Tcl_ObjCmdProc =
    unsafe extern "C" fn(*mut c_void, *mut Tcl_Interp, c_int, *const *mut Tcl_Obj) -> c_int;
/// The argument is the exit status, not a pointer.
pub type Tcl_ExitProc = unsafe extern "C" fn(*mut c_void);
pub type Tcl_AsyncProc = unsafe extern "C" fn(*mut c_void, *mut Tcl_Interp, c_int) -> c_int;
/// Takes the names of the variable and its element. Returns an error message or null.
pub type Tcl_VarTraceProc = unsafe extern "C" fn(
    *mut c_void,
    *mut Tcl_Interp,
    *const c_char,
    *const c_char,
    c_int,
) -> *mut c_char;
pub type Tcl_CmdDeleteProc = unsafe extern "C" fn(*mut c_void);

unsafe extern "C" {
    /// The C library's environment. Other threads may change the pointer.
    pub static environ: AtomicPtr<*mut c_char>;
}

unsafe extern "C" {
    pub fn Tcl_CreateInterp() -> *mut Tcl_Interp;
    pub fn Tcl_Init(interp: *mut Tcl_Interp) -> c_int;
    pub fn Tcl_DeleteInterp(interp: *mut Tcl_Interp);
    #[cfg_attr(tcl9, link_name = "Tcl_GetChild")]
    pub fn Tcl_GetSlave(interp: *mut Tcl_Interp, path: *const c_char) -> *mut Tcl_Interp;
    pub fn Tcl_FinalizeThread();
    pub fn Tcl_SetExitProc(exit: Option<Tcl_ExitProc>) -> Option<Tcl_ExitProc>;
    pub fn Tcl_GetThreadData(key: *mut Tcl_ThreadDataKey, size: Tcl_Size) -> *mut c_void;

    #[cfg(tcl9)]
    pub fn Tcl_SetSystemEncoding(interp: *mut Tcl_Interp, name: *const c_char) -> c_int;
    #[cfg(tcl9)]
    pub fn Tcl_GetEncoding(interp: *mut Tcl_Interp, name: *const c_char) -> Tcl_Encoding;
    #[cfg(tcl9)]
    pub fn Tcl_GetEncodingName(encoding: Tcl_Encoding) -> *const c_char;
    #[cfg(tcl9)]
    pub fn Tcl_FreeEncoding(encoding: Tcl_Encoding);

    pub fn Tcl_AsyncCreate(function: Tcl_AsyncProc, data: *mut c_void) -> Tcl_AsyncHandler;
    pub fn Tcl_AsyncMark(handler: Tcl_AsyncHandler);
    #[cfg(test)]
    pub fn Tcl_AsyncInvoke(interp: *mut Tcl_Interp, code: c_int) -> c_int;
    pub fn Tcl_AsyncDelete(handler: Tcl_AsyncHandler);
    pub fn Tcl_CancelEval(
        interp: *mut Tcl_Interp,
        result: *mut Tcl_Obj,
        data: *mut c_void,
        flags: c_int,
    ) -> c_int;

    pub fn Tcl_EvalObjv(
        interp: *mut Tcl_Interp,
        objc: Tcl_Size,
        objv: *const *mut Tcl_Obj,
        flags: c_int,
    ) -> c_int;
    pub fn Tcl_EvalEx(
        interp: *mut Tcl_Interp,
        script: *const c_char,
        length: Tcl_Size,
        flags: c_int,
    ) -> c_int;
    pub fn Tcl_FSEvalFileEx(
        interp: *mut Tcl_Interp,
        path: *mut Tcl_Obj,
        encoding: *const c_char,
    ) -> c_int;
    pub fn Tcl_GetErrorLine(interp: *mut Tcl_Interp) -> c_int;
    pub fn Tcl_GetReturnOptions(interp: *mut Tcl_Interp, code: c_int) -> *mut Tcl_Obj;
    pub fn Tcl_GetObjResult(interp: *mut Tcl_Interp) -> *mut Tcl_Obj;
    pub fn Tcl_SetObjResult(interp: *mut Tcl_Interp, result: *mut Tcl_Obj);
    pub fn Tcl_ResetResult(interp: *mut Tcl_Interp);
    pub fn Tcl_SetObjErrorCode(interp: *mut Tcl_Interp, code: *mut Tcl_Obj);

    pub fn Tcl_DbIncrRefCount(object: *mut Tcl_Obj, file: *const c_char, line: c_int);
    pub fn Tcl_DbDecrRefCount(object: *mut Tcl_Obj, file: *const c_char, line: c_int);
    pub fn Tcl_GetObjType(name: *const c_char) -> *const Tcl_ObjType;
    pub fn Tcl_DuplicateObj(object: *mut Tcl_Obj) -> *mut Tcl_Obj;

    pub fn Tcl_Alloc(size: Tcl_AllocSize) -> *mut c_void;
    pub fn Tcl_NewObj() -> *mut Tcl_Obj;
    pub fn Tcl_InvalidateStringRep(object: *mut Tcl_Obj);
    pub fn Tcl_NewStringObj(bytes: *const c_char, length: Tcl_Size) -> *mut Tcl_Obj;
    pub fn Tcl_NewByteArrayObj(bytes: *const u8, length: Tcl_Size) -> *mut Tcl_Obj;
    pub fn Tcl_NewWideIntObj(value: i64) -> *mut Tcl_Obj;
    pub fn Tcl_NewDoubleObj(value: c_double) -> *mut Tcl_Obj;
    pub fn Tcl_NewListObj(objc: Tcl_Size, objv: *const *mut Tcl_Obj) -> *mut Tcl_Obj;

    pub fn Tcl_GetStringFromObj(object: *mut Tcl_Obj, length: *mut Tcl_Size) -> *const c_char;
    #[cfg(not(tcl9))]
    pub fn Tcl_GetByteArrayFromObj(object: *mut Tcl_Obj, length: *mut Tcl_Size) -> *mut u8;
    #[cfg(tcl9)]
    fn Tcl_GetBytesFromObj(
        interp: *mut Tcl_Interp,
        object: *mut Tcl_Obj,
        length: *mut Tcl_Size,
    ) -> *mut u8;
    pub fn Tcl_GetWideIntFromObj(
        interp: *mut Tcl_Interp,
        object: *mut Tcl_Obj,
        value: *mut i64,
    ) -> c_int;
    pub fn Tcl_GetDoubleFromObj(
        interp: *mut Tcl_Interp,
        object: *mut Tcl_Obj,
        value: *mut c_double,
    ) -> c_int;
    pub fn Tcl_GetBooleanFromObj(
        interp: *mut Tcl_Interp,
        object: *mut Tcl_Obj,
        value: *mut c_int,
    ) -> c_int;
    pub fn Tcl_ListObjGetElements(
        interp: *mut Tcl_Interp,
        list: *mut Tcl_Obj,
        objc: *mut Tcl_Size,
        objv: *mut *mut *mut Tcl_Obj,
    ) -> c_int;
    pub fn Tcl_DictObjGet(
        interp: *mut Tcl_Interp,
        dict: *mut Tcl_Obj,
        key: *mut Tcl_Obj,
        value: *mut *mut Tcl_Obj,
    ) -> c_int;

    pub fn Tcl_SetVar2Ex(
        interp: *mut Tcl_Interp,
        name: *const c_char,
        element: *const c_char,
        value: *mut Tcl_Obj,
        flags: c_int,
    ) -> *mut Tcl_Obj;
    pub fn Tcl_GetVar2Ex(
        interp: *mut Tcl_Interp,
        name: *const c_char,
        element: *const c_char,
        flags: c_int,
    ) -> *mut Tcl_Obj;

    pub fn Tcl_TraceVar2(
        interp: *mut Tcl_Interp,
        name: *const c_char,
        element: *const c_char,
        flags: c_int,
        function: Tcl_VarTraceProc,
        data: *mut c_void,
    ) -> c_int;

    pub fn Tcl_GetCommandFromObj(interp: *mut Tcl_Interp, name: *mut Tcl_Obj) -> Tcl_Command;
    pub fn Tcl_FindCommand(
        interp: *mut Tcl_Interp,
        name: *const c_char,
        namespace: *mut c_void,
        flags: c_int,
    ) -> Tcl_Command;
    pub fn Tcl_CreateObjCommand(
        interp: *mut Tcl_Interp,
        name: *const c_char,
        function: Tcl_ObjCmdProc,
        data: *mut c_void,
        delete: Option<Tcl_CmdDeleteProc>,
    ) -> Tcl_Command;
    pub fn Tcl_DeleteCommandFromToken(interp: *mut Tcl_Interp, token: Tcl_Command) -> c_int;
    pub fn Tcl_GetCommandInfo(
        interp: *mut Tcl_Interp,
        name: *const c_char,
        info: *mut Tcl_CmdInfo,
    ) -> c_int;
}

/// Tcl 9's equivalent of the function that has this name in 8.6.
///
/// # Safety
/// The same as for that function.
#[cfg(tcl9)]
pub unsafe fn Tcl_GetByteArrayFromObj(object: *mut Tcl_Obj, length: *mut Tcl_Size) -> *mut u8 {
    // SAFETY: the caller's. A null interpreter means that nobody wants a message.
    unsafe { Tcl_GetBytesFromObj(std::ptr::null_mut(), object, length) }
}
