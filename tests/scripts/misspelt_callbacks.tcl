#--- required
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 1024 }
proc pread {h count offset} { return [string repeat g $count] }
#--- misspelt
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 1024 }
proc @name@ {h count offset} { return [string repeat g $count] }
#--- local
namespace eval disk { proc can_wirte {h} {} }
