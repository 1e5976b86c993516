import type { ControlHandlers } from "../../proto/gen/meridian/v1/Control.ts";
import type { Answers } from "./answers.ts";
import { greetingFromMessage, greetingToMessage, reportToMessage } from "./convert.ts";

export function controlService(answers: Answers): ControlHandlers {
  return {
    Greet: answers.unary(async (calls, greeting, signal) =>
      greetingToMessage(await calls.greet(greetingFromMessage(greeting), signal)),
    ),
    Report: answers.unary(async (calls, _request, signal) => reportToMessage(await calls.report(signal))),
  };
}
