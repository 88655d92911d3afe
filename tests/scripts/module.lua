--- constants
local list = {}
for name, value in pairs(nbdkit) do
    if type(value) == "number" then
        list[#list + 1] = name .. "=" .. ("%.0f"):format(value)
    end
end
return table.concat(list, " ")
--- errors
local list = {}
for name, value in pairs(nbdkit.errno) do
    list[#list + 1] = name .. "=" .. ("%.0f"):format(value)
end
return table.concat(list, " ")
--- surplus argument, then an error
pcall(nbdkit.set_error, "ENOSPC", "surplus") error("x")
