import type { ControlHandlers } from "../../proto/gen/meridian/v1/Control.ts";
import type { Answers } from "./answers.ts";
import { greetingFromMessage, greetingToMessage, reportToMessage } from "./convert.ts";
import {
  compareAnswerToMessage,
  comparedFromMessage,
  membersToldFromMessage,
  probeAnswerToMessage,
  probeForFromMessage,
  probeFromMessage,
} from "./convert-members.ts";

export function controlService(answers: Answers): ControlHandlers {
  return {
    Greet: answers.unary(async (calls, greeting, signal) =>
      greetingToMessage(await calls.greet(greetingFromMessage(greeting), signal)),
    ),
    Probe: answers.unary(async (calls, probe, signal) =>
      probeAnswerToMessage(await calls.probe(probeFromMessage(probe), signal)),
    ),
    ProbeFor: answers.unary(async (calls, request, signal) => ({
      isReached: await calls.probeFor(probeForFromMessage(request), signal),
    })),
    TellMembers: answers.unary(async (calls, told, signal) => {
      await calls.tellMembers(membersToldFromMessage(told), signal);
      return {};
    }),
    CompareMembers: answers.unary(async (calls, compared, signal) =>
      compareAnswerToMessage(await calls.compareMembers(comparedFromMessage(compared), signal)),
    ),
    Report: answers.unary(async (calls, _request, signal) => reportToMessage(await calls.report(signal))),
  };
}
