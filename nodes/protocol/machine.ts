/**
 * Decide, then perform. Everything subtle that a node does on its own (whom it trusts to be there, what it asks of
 * whom, when it tries again) is decided by a *machine*: a plain object that is told what happened and answers with
 * what is to be done. It owns no clock, promise, socket or randomness. Time comes as a number inside an input,
 * chance as a fraction; so a whole cluster of machines runs in a simulator as it runs in production, a test is a
 * table of inputs and effects, and a schedule that failed once can be played again.
 *
 * The alternative, code that awaits in the middle of a decision, reads shorter. Each `await` in it is a place where
 * the world changes behind the decision's back, and none of those places can be listed or replayed.
 *
 * Source: the `Ready` structure of etcd's raft; "sans-IO" of the Python network community.
 */

/**
 * `step` is synchronous and total: any input in any state is answered, with nothing when there is nothing to do.
 *
 * Order law: the driver performs the effects of one step in the order listed, before it gives the next input. An
 * effect may take long; it is *begun* in that order, and how it ended comes back as an input. Therefore whatever
 * must be durable before others may hear of it is split over two inputs: the step that decides to save ends there,
 * and only the input which says "it is saved" lets a machine decide to tell.
 */
export type Machine<Input, Effect> = {
  readonly step: (input: Input) => readonly Effect[];
};
