"""The Coder: renders a template or lets a language model write free code, and has rejected kernels repaired."""

from __future__ import annotations

from typing import ClassVar

from autogen_core import MessageContext, message_handler

from harness.errors import UserError
from harness.minds.protocol import Tuner
from harness.operation.operations import OperationName
from harness.roundtable.agents import coding, context
from harness.roundtable.agents.base import BaseMatMulAgent
from harness.roundtable.agents.coding import WrittenKernel
from harness.roundtable.agents.rust_answer import NoKernelError
from harness.roundtable.conversation.messages import TEMPLATE, Coded, CodeRequest, GaveUp, NotCoded, Role
from harness.roundtable.runlog import candidate_folders, transcript
from harness.verdict import one_line


class CoderAgent(BaseMatMulAgent):
    """Answers a request with Coded, NotCoded or, when a proposal has no template, GaveUp."""

    role: ClassVar[Role] = Role.CODER

    @message_handler
    async def on_code(self, message: CodeRequest, ctx: MessageContext) -> None:
        """Write the kernel into its folder and announce it."""
        try:
            written = await self._write(message)
            if (twin := self._twin(written.source)) is not None:
                raise NoKernelError(f"this is exactly the kernel that was judged as {twin}")
            event: Coded | NotCoded | GaveUp = self._coded(message, written)
        except NoKernelError as error:
            gives_up = message.template_only or message.coding == TEMPLATE
            event = GaveUp(reason=str(error)) if gives_up else NotCoded(reasons=[str(error)])
        if not isinstance(event, Coded):
            self.table.say(
                f"coder: {one_line(event.reason if isinstance(event, GaveUp) else event.reasons[0])}"
            )
        await self.announce(message.turn, event)
        if isinstance(event, Coded):
            # After the journal entry, from which the folder can be written again if the process is killed in
            # between.
            candidate_folders.write(
                self.table.settings.candidates, event.candidate, event.source, event.manifest
            )

    async def _write(self, message: CodeRequest) -> WrittenKernel:
        mind = self.table.minds.of(self.role)
        free = message.coding != TEMPLATE and not message.template_only
        if not free or (isinstance(mind, Tuner) and self.table.replay is None):
            return self._by_template(message)
        where = transcript.key(self.role, message.turn, message.attempt)
        return await coding.write(self.table, None if isinstance(mind, Tuner) else mind, message, where)

    def _by_template(self, message: CodeRequest) -> WrittenKernel:
        try:
            source = self.table.schedules.render(message.proposal)
        except UserError as error:
            raise NoKernelError(f"no template: {error}") from None
        return WrittenKernel(source, TEMPLATE, message.model, message.prompt_hash)

    def _twin(self, source: str) -> str | None:
        for attempt in context.attempts(self.table):
            if attempt.coded.source == source:
                return attempt.coded.candidate
        return None

    def _coded(self, message: CodeRequest, written: WrittenKernel) -> Coded:
        count = sum(isinstance(heard.content, Coded) for heard in self.table.events)
        candidate = candidate_folders.name(self.table.run_id, count + 1)
        parents = [message.failed.candidate] if message.failed else message.parents
        operation = self.table.settings.operation
        of_template = written.how == TEMPLATE
        tier = self.table.schedules.tier(message.proposal) if of_template else coding.tier(written.source)
        manifest = {
            "parent": parents[0] if parents else None,
            "parents": parents,
            "run": self.table.run_id,
            "generation": message.turn.generation,
            "model": written.model,
            "prompt_hash": written.prompt_hash,
            "title": one_line(str(message.proposal["algorithm"]), 80),
            "operation": None if operation is OperationName.MATMUL else operation.value,
            "threads": "all" if self.table.settings.threads == "all" else 1,
            "tier": tier,
            "proposal": message.proposal,
            "scheme": self.table.schedules.declared_scheme(message.proposal) if of_template else None,
        }
        return Coded(
            candidate=candidate,
            source=written.source,
            manifest=candidate_folders.without_none(manifest),
            how=written.how,
        )
