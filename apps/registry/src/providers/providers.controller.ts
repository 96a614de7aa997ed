import type { Page } from '#contracts/common';
import type { SignInProvider } from '#contracts/providers';
import type { RouteInput } from '#contracts/route';
import { routes } from '#contracts/routes';
import { Controller, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CONFIG } from '../config.js';
import type { RegistryConfig } from '../config.js';
import { Caller } from '../http/caller.js';
import { Input } from '../http/input.decorator.js';
import { Route } from '../http/route.decorator.js';
import { ProviderSignIn } from './provider-sign-in.js';
import { consoleAddress } from './console-address.js';
import { ProvidersService } from './providers.service.js';

type R = typeof routes.signInProviders;

const cookieName = 'sluice_sign_in';

@Controller()
export class ProvidersController {
  constructor(
    private readonly providers: ProvidersService,
    private readonly signIn: ProviderSignIn,
    @Inject(CONFIG) private readonly config: RegistryConfig,
  ) {}

  @Route(routes.signInProviders.create)
  create(@Input() { body }: RouteInput<R['create']>, @Caller() caller: Caller): Promise<SignInProvider> {
    return this.providers.create(body, caller);
  }

  @Route(routes.signInProviders.list)
  list(@Input() { query }: RouteInput<R['list']>): Promise<Page<SignInProvider>> {
    return this.providers.list(query);
  }

  @Route(routes.signInProviders.update)
  update(
    @Input() { params, body }: RouteInput<R['update']>,
    @Caller() caller: Caller,
  ): Promise<SignInProvider> {
    return this.providers.update(params.provider, body, caller);
  }

  @Route(routes.signInProviders.remove)
  remove(@Input() { params }: RouteInput<R['remove']>, @Caller() caller: Caller): Promise<void> {
    return this.providers.remove(params.provider, caller);
  }

  @Route(routes.signInProviders.names)
  async names(): Promise<{ items: { name: string }[] }> {
    return { items: await this.providers.names() };
  }

  @Route(routes.signInProviders.start)
  async start(@Input() { params, query }: RouteInput<R['start']>, @Res() reply: FastifyReply): Promise<void> {
    const { url, browser } = await this.signIn.start(params.provider);
    const ticket = writeTicket({ browser, to: query.to });
    await reply.header('set-cookie', this.cookie(ticket, 600)).redirect(url, 302);
  }

  @Route(routes.signInProviders.callback)
  async callback(
    @Input() { params, query }: RouteInput<R['callback']>,
    @Req() { headers, url, ip, id }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    void reply.header('set-cookie', this.cookie('', 0));
    const { browser, to } = readTicket(cookieOf(headers.cookie));
    const back = { state: query.state, path: url, browser, address: ip, requestId: id };
    const finished = this.signIn.finish(params.provider, back);
    if (to === 'console') await reply.redirect(await consoleAddress(finished), 303);
    else await reply.send(await finished);
  }

  /** Sent back when the provider leads the browser here (RFC 6265bis: Lax), and to no script. */
  private cookie(value: string, maxAgeS: number): string {
    const secure = this.config.SLUICE_PUBLIC_URL.startsWith('https:') ? '; Secure' : '';
    return `${cookieName}=${value}; Path=/auth; Max-Age=${maxAgeS}; HttpOnly; SameSite=Lax${secure}`;
  }
}

/** What the browser keeps while it is at the provider. */
interface Ticket {
  readonly browser: string | undefined;
  readonly to: string | undefined;
}

/** A point is in no base64url. */
const writeTicket = ({ browser, to }: Ticket): string =>
  to === undefined ? `${browser}` : `${browser}.${to}`;

function readTicket(cookie: string | undefined): Ticket {
  const [browser, to] = cookie?.split('.') ?? [];
  return { browser, to };
}

const cookieOf = (header: string | undefined): string | undefined =>
  header
    ?.split(/; */)
    .find((pair) => pair.startsWith(`${cookieName}=`))
    ?.slice(cookieName.length + 1);
