-- A script for wrk: POST the bodies of a file, one per line, in turn. Arguments: the file, and a
-- text that no other run has.
-- `@ID@` in a body becomes a text that is unique, `@TIME@` a time of the year 2024.

local bodies = {}
local sent = 0
local run

function init(arguments)
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = line
  end
  run = arguments[2]
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  sent = sent + 1
  local marks = {
    ["@ID@"] = run .. "-" .. sent,
    ["@TIME@"] = os.date("!2024-%m-%dT%H:%M:%SZ", sent * 97),
  }
  local body = string.gsub(bodies[sent % #bodies + 1], "@%u+@", marks)
  return wrk.format(nil, nil, nil, body)
end
