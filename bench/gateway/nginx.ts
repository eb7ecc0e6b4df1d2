/** nginx twice: as an upstream that answers at once, and as the proxy that nobody in this table can beat. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMPLETIONS } from './completions.ts'
import { FORMATS } from './formats.ts'

const INSTALL = 'apt-get install -y --no-install-recommends nginx'

function runs(): boolean {
  return spawnSync('nginx', ['-v']).status === 0
}

/** Makes sure that nginx is there; as root on Debian it is installed, without starting its service. */
export function ensureNginx(): void {
  if (runs()) return
  if (process.getuid?.() === 0) {
    process.stderr.write(`bench: installing nginx (${INSTALL})\n`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
    spawnSync('apt-get', INSTALL.split(' ').slice(1), { env, stdio: 'ignore', timeout: 180_000 })
  }
  if (!runs()) throw new Error(`the benchmark needs nginx: sudo ${INSTALL}`)
}

function configuration(folder: string, server: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `worker_processes 1;
daemon off;
user root;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_body_buffer_size 1m;
  client_max_body_size 16m;
  tcp_nodelay on;
  ${server}
}
`
}

function write(folder: string, name: string, server: string): string {
  const own = join(folder, name)
  mkdirSync(own, { recursive: true })
  const file = join(own, 'nginx.conf')
  writeFileSync(file, configuration(own, server))
  return file
}

/**
 * An upstream that reads the whole request and answers a fixed completion; writes its configuration, answers the file.
 * A bare `return` would answer before the body is in, which no provider does: the mirror module reads it first.
 */
export function writeUpstreamConfiguration(folder: string, port: number): string {
  return write(
    folder,
    'upstream',
    `server {
    listen 127.0.0.1:${port} backlog=1024;
    location / { mirror /read; empty_gif; error_page 405 =200 @openai; }
    location /v1/messages { mirror /read; empty_gif; error_page 405 =200 @anthropic; }
    location /v1beta/ { mirror /read; empty_gif; error_page 405 =200 @gemini; }
    location = /read { internal; return 204; }
    location = /ready { return 204; }
    ${FORMATS.map((format) => `location @${format} { default_type application/json; return 200 '${COMPLETIONS[format]}'; }`).join('\n    ')}
  }`,
  )
}

/** A reverse proxy with keep-alive to both sides; writes its configuration, answers the file. Streams are not buffered. */
export function writeProxyConfiguration(folder: string, port: number, upstream: string): string {
  return write(
    folder,
    'proxy',
    `upstream provider { server ${upstream.replace('http://', '')}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location = /ready { return 204; }
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering on;
    }
  }`,
  )
}
