import 'reflect-metadata'
import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'

// What the decorators of a TypeScript source are compiled to.
class AppController { index() { return 'ok\n' } }
Get()(AppController.prototype, 'index', Object.getOwnPropertyDescriptor(AppController.prototype, 'index'))
Controller()(AppController)
class AppModule {}
Module({ controllers: [AppController] })(AppModule)

const app = await NestFactory.create(AppModule, { logger: ['error'] })
await app.listen(PORT)
